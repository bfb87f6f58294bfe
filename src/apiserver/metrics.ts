/** What the server counts of its own requests, under upstream's names; rendered as Prometheus text on demand. */
import type { ResourceInfo } from '#apis/kind.ts';
import { Histogram } from '#base/histogram.ts';
import { family, resourceLabels } from './health/metric-text.ts';
import type { ApiRequest } from './request.ts';

export interface RequestMetrics {
  finished(request: ApiRequest, code: number, seconds: number): void;
  /** Set by the filter that owns the counters. */
  inFlight: { readOnly: { current: number }; mutating: { current: number } } | undefined;
  /** Watches and other streams open now. */
  longRunning: number;
  /** Of one version of a resource: what its watches are sent. */
  watch(info: ResourceInfo): WatchCounters;
  render(): string;
}

export interface WatchCounters {
  /** Bytes of each event. */
  readonly events: Histogram;
  /** Seconds until the initial state had been sent, by whether it was of one namespace. */
  readonly initialState: { cluster: Histogram; namespace: Histogram; resource: Histogram };
}

export function createRequestMetrics(): RequestMetrics {
  return new CountedRequests();
}

/** Upstream's buckets of apiserver_request_duration_seconds. */
const bucketSeconds = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
];
/** Upstream's of apiserver_watch_events_sizes, in bytes, and of apiserver_watch_list_duration_seconds. */
const eventBytes = [1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072];
const initialStateSeconds = [0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 4, 6, 8, 10, 15, 20, 30, 45, 60];
/** Label sets are bounded by what is served. */
const seriesMax = 10_000;

/** Requests that differ in their answer only; hashed once per request by short keys, not by label texts. */
interface Series {
  labels: string;
  verb: string;
  /** By HTTP code. */
  totals: Map<number, number>;
  buckets: number[];
  sumSeconds: number;
  count: number;
}

class CountedRequests implements RequestMetrics {
  inFlight: RequestMetrics['inFlight'] = undefined;
  longRunning = 0;
  readonly #byResource = new Map<ResourceInfo | undefined, Map<string, Series>>();
  readonly #watches = new Map<ResourceInfo, WatchCounters>();
  #seriesCount = 0;

  finished(request: ApiRequest, code: number, seconds: number): void {
    const series = this.#seriesOf(request);
    if (!series) return;
    series.totals.set(code, (series.totals.get(code) ?? 0) + 1);
    series.sumSeconds += seconds;
    series.count++;
    for (let i = 0; i < bucketSeconds.length; i++) {
      if (seconds > bucketSeconds[i]!) continue;
      series.buckets[i]!++;
      break;
    }
  }

  #seriesOf(request: ApiRequest): Series | undefined {
    let ofResource = this.#byResource.get(request.resource);
    if (!ofResource) {
      ofResource = new Map();
      this.#byResource.set(request.resource, ofResource);
    }
    const key = verbOf(request) + scopeOf(request) + subresourceOf(request);
    let series = ofResource.get(key);
    if (!series && this.#seriesCount < seriesMax) {
      const buckets = new Array<number>(bucketSeconds.length).fill(0);
      series = {
        labels: labelsOf(request),
        verb: verbOf(request),
        totals: new Map(),
        buckets,
        sumSeconds: 0,
        count: 0,
      };
      ofResource.set(key, series);
      this.#seriesCount++;
    }
    return series;
  }

  watch(info: ResourceInfo): WatchCounters {
    let counters = this.#watches.get(info);
    if (!counters) {
      const seconds = () => new Histogram(initialStateSeconds);
      counters = {
        events: new Histogram(eventBytes),
        initialState: { cluster: seconds(), namespace: seconds(), resource: seconds() },
      };
      this.#watches.set(info, counters);
    }
    return counters;
  }

  render(): string {
    const lines: string[] = [];
    family(lines, 'apiserver_request_total', 'counter', 'Requests by verb, resource and answer.');
    const all = [...this.#byResource.values()].flatMap((ofResource) => [...ofResource.values()]);
    for (const { labels, totals } of all) {
      for (const [code, total] of totals) lines.push(`apiserver_request_total{${labels},code="${code}"} ${total}`);
    }
    // A spelling that many use. Few series: who wants all labels asks by upstream's name.
    family(lines, 'apiserver_requests_total', 'counter', 'The same by verb and answer alone.');
    for (const [labels, total] of totalsByVerb(all)) lines.push(`apiserver_requests_total{${labels}} ${total}`);
    const duration = 'apiserver_request_duration_seconds';
    family(lines, duration, 'histogram', 'Time to answer, in seconds.');
    for (const { labels, buckets, sumSeconds, count } of all) {
      let below = 0;
      for (const [i, le] of bucketSeconds.entries()) {
        below += buckets[i]!;
        lines.push(`${duration}_bucket{${labels},le="${le}"} ${below}`);
      }
      lines.push(`${duration}_bucket{${labels},le="+Inf"} ${count}`);
      lines.push(`${duration}_sum{${labels}} ${sumSeconds}`, `${duration}_count{${labels}} ${count}`);
    }
    const inFlight = 'apiserver_current_inflight_requests';
    family(lines, inFlight, 'gauge', 'Requests being served now.');
    lines.push(`${inFlight}{request_kind="readOnly"} ${this.inFlight?.readOnly.current ?? 0}`);
    lines.push(`${inFlight}{request_kind="mutating"} ${this.inFlight?.mutating.current ?? 0}`);
    family(lines, 'apiserver_longrunning_requests', 'gauge', 'Watches and other streams open now.');
    lines.push(`apiserver_longrunning_requests ${this.longRunning}`);
    this.#renderWatches(lines);
    return `${lines.join('\n')}\n`;
  }

  #renderWatches(lines: string[]): void {
    family(lines, 'apiserver_watch_events_total', 'counter', 'Events sent to watches.');
    for (const [info, { events }] of this.#watches) {
      lines.push(`apiserver_watch_events_total{${versionLabels(info)}} ${events.count}`);
    }
    family(lines, 'apiserver_watch_events_sizes', 'histogram', 'Bytes of events sent to watches.');
    for (const [info, { events }] of this.#watches) {
      events.render(lines, 'apiserver_watch_events_sizes', versionLabels(info));
    }
    const name = 'apiserver_watch_list_duration_seconds';
    family(lines, name, 'histogram', 'Time until the initial state of a watch was sent.');
    for (const [info, { initialState }] of this.#watches) {
      for (const [scope, seconds] of Object.entries(initialState)) {
        const labels = `${resourceLabels(info)},scope="${scope}",version="${info.version}"`;
        if (seconds.count > 0) seconds.render(lines, name, labels);
      }
    }
  }
}

function versionLabels({ group, resource, version }: ResourceInfo): string {
  return `${resourceLabels({ group, resource })},version="${version}"`;
}

function totalsByVerb(all: readonly Series[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { verb, totals } of all) {
    for (const [code, total] of totals) {
      const labels = `code="${code}",verb="${verb}"`;
      sums.set(labels, (sums.get(labels) ?? 0) + total);
    }
  }
  return sums;
}

function scopeOf({ info }: ApiRequest): string {
  if (!info.isResourceRequest) return '';
  return info.name !== '' ? 'resource' : info.namespace !== '' ? 'namespace' : 'cluster';
}

function labelsOf(request: ApiRequest): string {
  const info = request.info;
  // A path that is no resource of ours would be a series of its own for every typing error.
  const isKnown = request.resource !== undefined;
  const scope = scopeOf(request);
  return (
    `component="apiserver",group="${isKnown ? info.group : ''}",resource="${isKnown ? info.resource : ''}",scope="${scope}",` +
    `subresource="${subresourceOf(request)}",verb="${verbOf(request)}",version="${isKnown ? info.version : ''}"`
  );
}

/** What a client invents is all one: series of its own would crowd out the others, or be told twice. */
function verbOf({ info }: ApiRequest): string {
  return Object.hasOwn(verbs, info.verb) ? verbs[info.verb]! : 'OTHER';
}

function subresourceOf({ resource, info }: ApiRequest): string {
  return resource?.subresources.has(info.subresource) ? info.subresource : '';
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
