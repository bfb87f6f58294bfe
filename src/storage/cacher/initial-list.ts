import type { Clock } from '#base/clock.ts';
import { storeDeadlineMs, withDeadline } from '../etcd3/deadline.ts';
import { type EtcdKv, type KeyValue, prefixEnd } from '../etcd3/kv.ts';

/** Keys a page: bounded so that neither side holds a second copy of a large resource in one message. */
const pageKeys = 1_000;

/** Everything under the prefix as it was at `revision`, page by page. */
export async function* listPages(
  kv: EtcdKv,
  clock: Clock,
  prefix: string,
  revision: number,
  signal: AbortSignal,
): AsyncGenerator<readonly KeyValue[]> {
  const rangeEnd = prefixEnd(prefix);
  for (let key = prefix; ; ) {
    const page = await withDeadline(clock, storeDeadlineMs, signal, (s) =>
      kv.range({ key, rangeEnd, revision, limit: pageKeys }, s),
    );
    yield page.kvs;
    if (!page.more || page.kvs.length === 0) return;
    key = `${page.kvs.at(-1)!.key}\0`;
  }
}
