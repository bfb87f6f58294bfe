/** Reads Prometheus' text format: what a component answers at /metrics. */
export interface MetricSample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** What is no sample is passed over: a component's mistake in one line must not hide the others. */
export function parseMetrics(text: string): MetricSample[] {
  const samples: MetricSample[] = [];
  for (const line of text.split('\n')) {
    const [, name, , inside, number] = /^([A-Za-z_:][\w:]*)(\{(.*)\})?\s+(\S+)/.exec(line) ?? [];
    const value = readNumber(number);
    const labels = inside === undefined ? {} : labelsIn(inside);
    if (name !== undefined && value !== undefined && labels) samples.push({ name, labels, value });
  }
  return samples;
}

function labelsIn(text: string): Record<string, string> | undefined {
  const labels: Record<string, string> = {};
  const pattern = /\s*([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"\s*(?:,|$)/y;
  while (pattern.lastIndex < text.trimEnd().length) {
    const match = pattern.exec(text);
    if (!match) return undefined;
    labels[match[1]!] = match[2]!.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c));
  }
  return labels;
}

const special: Record<string, number> = {
  '+Inf': Number.POSITIVE_INFINITY,
  '-Inf': Number.NEGATIVE_INFINITY,
  NaN: Number.NaN,
};

function readNumber(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (Object.hasOwn(special, text)) return special[text];
  const value = Number(text);
  return Number.isNaN(value) ? undefined : value;
}
