/** What the server counts of its own requests, under upstream's names; rendered as Prometheus text on demand. */
import type { ApiRequest } from './request.ts';

export interface RequestMetrics {
  finished(request: ApiRequest, code: number, seconds: number): void;
  /** Set by the filter that owns the counters. */
  inFlight: { readOnly: { current: number }; mutating: { current: number } } | undefined;
  /** Watches and other streams open now. */
  longRunning: number;
  render(): string;
}

export function createRequestMetrics(): RequestMetrics {
  return new CountedRequests();
}

/** Upstream's buckets of apiserver_request_duration_seconds. */
const bucketSeconds = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
];
/** Label sets are bounded by what is served; this is for requests that invent resources. */
const seriesMax = 10_000;

interface Durations {
  counts: number[];
  sum: number;
  total: number;
}

class CountedRequests implements RequestMetrics {
  inFlight: RequestMetrics['inFlight'] = undefined;
  longRunning = 0;
  readonly #totals = new Map<string, number>();
  readonly #durations = new Map<string, Durations>();

  finished(request: ApiRequest, code: number, seconds: number): void {
    const labels = labelsOf(request);
    const series = `${labels},code="${code}"`;
    const known = this.#totals.get(series);
    if (known === undefined && this.#totals.size >= seriesMax) return;
    this.#totals.set(series, (known ?? 0) + 1);
    let durations = this.#durations.get(labels);
    if (!durations) {
      durations = { counts: new Array<number>(bucketSeconds.length).fill(0), sum: 0, total: 0 };
      this.#durations.set(labels, durations);
    }
    durations.sum += seconds;
    durations.total++;
    const bucket = bucketSeconds.findIndex((le) => seconds <= le);
    if (bucket >= 0) durations.counts[bucket]!++;
  }

  render(): string {
    const lines: string[] = [];
    head(lines, 'apiserver_request_total', 'counter', 'Requests by verb, resource and answer.');
    for (const [labels, count] of this.#totals) lines.push(`apiserver_request_total{${labels}} ${count}`);
    const duration = 'apiserver_request_duration_seconds';
    head(lines, duration, 'histogram', 'Time to answer, in seconds.');
    for (const [labels, d] of this.#durations) {
      let sum = 0;
      for (const [i, le] of bucketSeconds.entries()) {
        sum += d.counts[i]!;
        lines.push(`${duration}_bucket{${labels},le="${le}"} ${sum}`);
      }
      lines.push(`${duration}_bucket{${labels},le="+Inf"} ${d.total}`);
      lines.push(`${duration}_sum{${labels}} ${d.sum}`, `${duration}_count{${labels}} ${d.total}`);
    }
    const inFlight = 'apiserver_current_inflight_requests';
    head(lines, inFlight, 'gauge', 'Requests being served now.');
    lines.push(`${inFlight}{request_kind="readOnly"} ${this.inFlight?.readOnly.current ?? 0}`);
    lines.push(`${inFlight}{request_kind="mutating"} ${this.inFlight?.mutating.current ?? 0}`);
    head(lines, 'apiserver_longrunning_requests', 'gauge', 'Watches and other streams open now.');
    lines.push(`apiserver_longrunning_requests ${this.longRunning}`);
    return `${lines.join('\n')}\n`;
  }
}

function head(lines: string[], name: string, type: string, help: string): void {
  lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
}

function labelsOf(request: ApiRequest): string {
  const info = request.info;
  // A path that is no resource of ours would be a series of its own for every typing error.
  const isKnown = request.resource !== undefined;
  const scope = !info.isResourceRequest
    ? ''
    : info.name !== ''
      ? 'resource'
      : info.namespace !== ''
        ? 'namespace'
        : 'cluster';
  return (
    `component="apiserver",group="${isKnown ? info.group : ''}",resource="${isKnown ? info.resource : ''}",scope="${scope}",` +
    `subresource="${isKnown ? info.subresource : ''}",verb="${verbs[info.verb] ?? 'OTHER'}",version="${isKnown ? info.version : ''}"`
  );
}

const verbs: Record<string, string> = {
  get: 'GET',
  list: 'LIST',
  watch: 'WATCH',
  create: 'POST',
  post: 'POST',
  update: 'PUT',
  put: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
  deletecollection: 'DELETECOLLECTION',
  proxy: 'CONNECT',
};
