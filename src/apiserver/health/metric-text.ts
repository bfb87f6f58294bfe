/** Prometheus' text format, line by line. */
export function family(lines: string[], name: string, type: 'counter' | 'gauge' | 'histogram', help: string): void {
  lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
}

/** `group="apps",resource="deployments"`. */
export function resourceLabels({ group, resource }: { group: string; resource: string }): string {
  return `group="${group}",resource="${resource}"`;
}
