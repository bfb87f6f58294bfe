/** Requests to the store, under upstream's names: how many, how many failed, how long they took. */
import type { Scheme } from '#apis/scheme.ts';
import type { Clock } from '#base/clock.ts';
import { Histogram } from '#base/histogram.ts';
import type { EtcdKv, RangeRequest, TxnRequest } from '#storage/etcd3/kv.ts';
import { family } from './metric-text.ts';

export interface StoreMetrics {
  kv: EtcdKv;
  render(): string;
}

/** Upstream's, and its names for what is asked for. */
const durationSeconds = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
];
type Operation = 'get' | 'list' | 'count' | 'create' | 'update' | 'delete' | 'leaseGrant';

interface Series {
  labels: string;
  failed: number;
  duration: Histogram;
}

/** `kv` with its requests counted. Series are bounded by the resources of the scheme; all other keys are one. */
export function countStoreRequests(kv: EtcdKv, clock: Clock, scheme: Scheme): StoreMetrics {
  const all: Series[] = [];
  const byPrefix = new Map<string, ResourceSeries>();
  const add = (group: string, resource: string, operation: Operation): Series => {
    const labels = `group="${group}",operation="${operation}",resource="${resource}"`;
    const series = { labels, failed: 0, duration: new Histogram(durationSeconds) };
    all.push(series);
    return series;
  };
  for (const { group, resource, storagePrefix } of scheme.resources()) {
    if (!storagePrefix || byPrefix.has(storagePrefix)) continue;
    byPrefix.set(storagePrefix, new ResourceSeries((operation) => add(group, resource, operation)));
  }
  const others = new ResourceSeries((operation) => add('', '', operation));
  const seriesOf = (key: string, operation: Operation) => resourceOf(byPrefix, others, key).of(operation);

  const timed = async <T>(series: Series, request: Promise<T>): Promise<T> => {
    const start = clock.monotonic();
    try {
      return await request;
    } catch (error) {
      series.failed++;
      throw error;
    } finally {
      series.duration.observe((clock.monotonic() - start) / 1000);
    }
  };
  return {
    kv: {
      ...kv,
      range: (request, signal) => timed(seriesOf(request.key, rangeOperation(request)), kv.range(request, signal)),
      txn: (request, signal) => timed(seriesOf(writtenKey(request), txnOperation(request)), kv.txn(request, signal)),
      grantLease: (ttlSeconds, signal) => timed(others.of('leaseGrant'), kv.grantLease(ttlSeconds, signal)),
    },
    render() {
      const lines: string[] = [];
      family(lines, 'etcd_requests_total', 'counter', 'Requests to the store.');
      for (const { labels, duration } of all) lines.push(`etcd_requests_total{${labels}} ${duration.count}`);
      family(lines, 'etcd_request_errors_total', 'counter', 'Requests to the store that failed.');
      for (const { labels, failed } of all) lines.push(`etcd_request_errors_total{${labels}} ${failed}`);
      family(lines, 'etcd_request_duration_seconds', 'histogram', 'How long they took.');
      for (const { labels, duration } of all) duration.render(lines, 'etcd_request_duration_seconds', labels);
      return `${lines.join('\n')}\n`;
    },
  };
}

/** One resource's series, each made at its first request. */
class ResourceSeries {
  readonly #add: (operation: Operation) => Series;
  readonly #series: Partial<Record<Operation, Series>> = {};

  constructor(add: (operation: Operation) => Series) {
    this.#add = add;
  }

  of(operation: Operation): Series {
    this.#series[operation] ??= this.#add(operation);
    return this.#series[operation];
  }
}

/** A prefix has two or three segments: `/registry/pods/`, `/registry/services/specs/`. */
function resourceOf(
  byPrefix: ReadonlyMap<string, ResourceSeries>,
  others: ResourceSeries,
  key: string,
): ResourceSeries {
  let slash = key.indexOf('/', 1);
  for (let depth = 0; depth < 3 && slash >= 0; depth++) {
    slash = key.indexOf('/', slash + 1);
    const found = slash < 0 ? undefined : byPrefix.get(key.slice(0, slash + 1));
    if (found) return found;
  }
  return others;
}

function rangeOperation({ rangeEnd, countOnly }: RangeRequest): Operation {
  return countOnly ? 'count' : rangeEnd === undefined ? 'get' : 'list';
}

const writtenKey = ({ success }: TxnRequest): string => success[0]?.key ?? '';

function txnOperation({ success, compare }: TxnRequest): Operation {
  if (success[0]?.type === 'delete') return 'delete';
  const isNew = compare.some((c) => c.key === success[0]?.key && ('version' in c ? c.version : c.modRevision) === 0);
  return isNew ? 'create' : 'update';
}
