/** The store's own account: its history, read back from the store when everything is over. */
import type { Contents, Stored, StoreEvent, StoreHistory } from '#drills/model/history.ts';
import type { EtcdClient } from '#etcd/client.ts';
import { EventType, type KeyValue } from '#etcd/key-value.ts';
import { prefixEnd, text } from '../etcd-suite.ts';

export interface TruthOptions {
  /** In the store. */
  prefix: string;
  decode(kv: KeyValue): { key: string; contents: Contents; uid?: string; created?: number };
  keyOf(storeKey: string): string;
}

/** Written last: when it is read, everything before it was. */
const endKey = '/consistency-end';
const everything = Buffer.from([0]);
const withinMs = 30_000;

export class Truth {
  #etcd: EtcdClient;
  #options: TruthOptions;
  #initial: Stored[];
  #since: number;

  private constructor(etcd: EtcdClient, options: TruthOptions, initial: Stored[], since: number) {
    this.#etcd = etcd;
    this.#options = options;
    this.#initial = initial;
    this.#since = since;
  }

  /** Remembers the state now. */
  static async begin(etcd: EtcdClient, options: TruthOptions): Promise<Truth> {
    const { prefix, decode } = options;
    const { header, kvs } = await etcd.range({ key: text(prefix), rangeEnd: prefixEnd(prefix) });
    const initial = kvs.map((kv) => ({ ...decode(kv), revision: kv.modRevision }));
    return new Truth(etcd, options, initial, header.revision);
  }

  /** Everything since. */
  async end(): Promise<StoreHistory> {
    const { prefix, decode, keyOf } = this.#options;
    const until = (await this.#etcd.put({ key: text(endKey), value: text('') })).header!.revision;
    const events: StoreEvent[] = [];
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(new Error(`the history was not read within ${withinMs} ms`)), withinMs);
    const handle = this.#etcd.watch(
      { key: everything, rangeEnd: everything, startRevision: this.#since + 1 },
      {
        events: (all) => {
          for (const { type, kv } of all) {
            if (kv.modRevision >= until) resolve();
            const key = kv.key.toString();
            if (!key.startsWith(prefix) || kv.modRevision >= until) continue;
            const revision = kv.modRevision;
            if (type === EventType.DELETE) events.push({ revision, key: keyOf(key), contents: null });
            else events.push({ revision, ...decode(kv) });
          }
        },
        progress() {},
        compacted: (revision) => reject(new Error(`the history up to ${revision} is compacted: shorter runs`)),
        closed: reject,
      },
    );
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      handle.cancel();
    }
    return { initial: this.#initial, since: this.#since, until, events };
  }
}
