import type { Level } from './policy.ts';

/** Which part of the way an event was lost on: label `plugin`. */
export type AuditPlugin = 'log' | 'webhook' | 'buffered' | 'truncate';

/** What the audit log counts of itself, under upstream's names. */
export class AuditMetrics {
  events = 0;
  requestsRejected = 0;
  readonly levels = new Map<Level, number>();
  /** Events that were not written. */
  readonly errors = new Map<AuditPlugin, number>();

  level(level: Level): void {
    this.levels.set(level, (this.levels.get(level) ?? 0) + 1);
  }

  error(plugin: AuditPlugin, events = 1): void {
    this.errors.set(plugin, (this.errors.get(plugin) ?? 0) + events);
  }

  render(): string {
    return [
      ...family('apiserver_audit_error_total', 'Audit events that were not written, by where they were lost.', [
        ...labelled('plugin', this.errors),
      ]),
      ...family('apiserver_audit_event_total', 'Audit events generated and sent to the backends.', [['', this.events]]),
      ...family('apiserver_audit_level_total', 'Requests by the level the audit policy gave them.', [
        ...labelled('level', this.levels),
      ]),
      ...family('apiserver_audit_requests_rejected_total', 'Requests refused because they could not be recorded.', [
        ['', this.requestsRejected],
      ]),
      '',
    ].join('\n');
  }
}

function family(name: string, help: string, samples: [labels: string, value: number][]): string[] {
  if (samples.length === 0) return [];
  return [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} counter`,
    ...samples.map(([labels, value]) => `${name}${labels} ${value}`),
  ];
}

function* labelled(label: string, values: ReadonlyMap<string, number>): Generator<[string, number]> {
  for (const [name, value] of values) yield [`{${label}="${name}"}`, value];
}
