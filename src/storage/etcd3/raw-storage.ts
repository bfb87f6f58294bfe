import type { Clock } from '#base/clock.ts';
import type { RawStorage } from '../storage.ts';
import { storeDeadlineMs, withDeadline } from './deadline.ts';
import { type EtcdKv, type KeyValue, type KvOperation, prefixEnd } from './kv.ts';
import type { Leases } from './leases.ts';
import { toStatusError } from './store-errors.ts';

/** Keys without a kind, straight to the store. */
export function createRawStorage(kv: EtcdKv, clock: Clock, leases: Leases): RawStorage {
  const ask = async <T>(request: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    try {
      return await withDeadline(clock, storeDeadlineMs, undefined, request);
    } catch (error) {
      throw toStatusError(error);
    }
  };
  const plain = ({ key, value, modRevision }: KeyValue) => ({ key, value, revision: modRevision });
  return {
    async get(key) {
      const found = (await ask((signal) => kv.range({ key }, signal))).kvs[0];
      return found && plain(found);
    },
    async list(prefix) {
      const response = await ask((signal) => kv.range({ key: prefix, rangeEnd: prefixEnd(prefix) }, signal));
      return response.kvs.map(plain);
    },
    put: (key, value, { ifRevision, ttlSeconds } = {}) =>
      ask(async (signal) => {
        const lease = ttlSeconds ? await leases.get(ttlSeconds) : undefined;
        const put: KvOperation = { type: 'put', key, value, lease };
        const compare = ifRevision === undefined ? [] : [{ key, modRevision: ifRevision }];
        return (await kv.txn({ compare, success: [put], failure: [] }, signal)).succeeded;
      }),
    delete: (key) =>
      ask(async (signal) => {
        await kv.txn({ compare: [], success: [{ type: 'delete', key }], failure: [] }, signal);
      }),
  };
}
