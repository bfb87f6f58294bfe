import type { EtcdKv, KeyValue, KvOperation } from './kv.ts';

/** Where everything else believes its keys to be. */
const stem = '/registry';

/**
 * `--etcd-prefix`: the store's keys under another prefix than `/registry`. Above this nobody knows of it. Keys outside,
 * such as compact_rev_key, stay where they are.
 */
export function withKeyPrefix(kv: EtcdKv, prefix: string): EtcdKv {
  if (prefix === stem) return kv;
  // What ends a range of everything, `/registry0`, has the stem too.
  const out = (key: string) => (key.startsWith(stem) ? prefix + key.slice(stem.length) : key);
  const back = <T extends KeyValue>(item: T): T =>
    item.key.startsWith(prefix) ? { ...item, key: stem + item.key.slice(prefix.length) } : item;
  const operation = (op: KvOperation): KvOperation => ({ ...op, key: out(op.key) });
  return {
    grantLease: (ttlSeconds, signal) => kv.grantLease(ttlSeconds, signal),
    version: (signal) => kv.version(signal),
    compact: (revision, signal) => kv.compact(revision, signal),
    condition: (signal) => kv.condition(signal),
    async range(request, signal) {
      const { key, rangeEnd } = request;
      const moved = { ...request, key: out(key), ...(rangeEnd === undefined ? {} : { rangeEnd: out(rangeEnd) }) };
      const response = await kv.range(moved, signal);
      return { ...response, kvs: response.kvs.map(back) };
    },
    async txn({ compare, success, failure }, signal) {
      const moved = {
        compare: compare.map((c) => ({ ...c, key: out(c.key) })),
        success: success.map(operation),
        failure: failure.map(operation),
      };
      const response = await kv.txn(moved, signal);
      return { ...response, ranges: response.ranges.map((kvs) => kvs.map(back)) };
    },
    watch: ({ key, rangeEnd, startRevision }, sink) =>
      kv.watch(
        { key: out(key), rangeEnd: out(rangeEnd), startRevision },
        {
          onCreated: (revision) => sink.onCreated(revision),
          onEvents: (events) => sink.onEvents(events.map((event) => ({ ...event, kv: back(event.kv) }))),
          onProgress: (revision) => sink.onProgress(revision),
          onEnd: (error) => sink.onEnd(error),
        },
      ),
  };
}
