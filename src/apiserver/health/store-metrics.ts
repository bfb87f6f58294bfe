/** Requests to the store, under upstream's names: how many, how many failed, how long all of them took. */
import type { Clock } from '#base/clock.ts';
import type { EtcdKv } from '#storage/etcd3/kv.ts';

export interface StoreMetrics {
  kv: EtcdKv;
  render(): string;
}

const operations = ['range', 'txn', 'grantLease'] as const;
type Operation = (typeof operations)[number];

/** `kv` with its requests counted. */
export function countStoreRequests(kv: EtcdKv, clock: Clock): StoreMetrics {
  const counts = Object.fromEntries(operations.map((o) => [o, { total: 0, failed: 0, seconds: 0 }])) as Record<
    Operation,
    { total: number; failed: number; seconds: number }
  >;
  const counted = <A extends unknown[], R>(operation: Operation, call: (...args: A) => Promise<R>) => {
    const count = counts[operation];
    return async (...args: A): Promise<R> => {
      const start = clock.monotonic();
      try {
        return await call(...args);
      } catch (error) {
        count.failed++;
        throw error;
      } finally {
        count.total++;
        count.seconds += (clock.monotonic() - start) / 1000;
      }
    };
  };
  return {
    kv: {
      ...kv,
      range: counted('range', kv.range),
      txn: counted('txn', kv.txn),
      grantLease: counted('grantLease', kv.grantLease),
    },
    render() {
      const series = (name: string, type: string, help: string, value: (o: Operation) => number) =>
        [
          `# HELP ${name} ${help}`,
          `# TYPE ${name} ${type}`,
          ...operations.map((o) => `${name}{operation="${o}"} ${value(o)}`),
          '',
        ].join('\n');
      return (
        series('etcd_requests_total', 'counter', 'Requests to the store.', (o) => counts[o].total) +
        series('etcd_request_errors_total', 'counter', 'Requests to the store that failed.', (o) => counts[o].failed) +
        series('etcd_request_duration_seconds_sum', 'counter', 'Time they took.', (o) => counts[o].seconds)
      );
    },
  };
}
