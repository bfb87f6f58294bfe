import type { Clock } from '#base/clock.ts';
import { storeDeadlineMs, withDeadline } from '../etcd3/deadline.ts';
import { type EtcdKv, type KeyValue, prefixEnd } from '../etcd3/kv.ts';

/** Keys a page: bounded so that neither side holds a second copy of a large resource in one message. */
const pageKeys = 2_000;

/** Everything under the prefix as it was at `revision`. */
export async function listAll(
  kv: EtcdKv,
  clock: Clock,
  prefix: string,
  revision: number,
  signal: AbortSignal,
): Promise<KeyValue[]> {
  const rangeEnd = prefixEnd(prefix);
  const all: KeyValue[] = [];
  for (let key = prefix; ; key = `${all.at(-1)!.key}\0`) {
    const page = await withDeadline(clock, storeDeadlineMs, signal, (s) =>
      kv.range({ key, rangeEnd, revision, limit: pageKeys }, s),
    );
    for (const item of page.kvs) all.push(item);
    if (!page.more || page.kvs.length === 0) return all;
  }
}
