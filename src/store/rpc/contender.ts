/**
 * etcd's recipe for locks and elections: whoever wants in makes a key `<name>/<lease>`, and the key that was made first
 * has it. The key goes with its lease, so the next in line takes over from the dead as from those who let go.
 */

import { Code } from '#etcd/error-catalogue.ts';
import type { KeyValue, RangeResponse } from '#etcd/key-value.ts';
import { CompareResult, CompareTarget, RangeRequest, SortOrder, SortTarget, TxnRequest } from '#etcd/messages.ts';
import type { InitOf } from '#etcd/wire.ts';
import { latin1 } from '../mvcc/kv-store.ts';
import type { Store } from '../store.ts';
import { StoreError } from '../store-error.ts';
import type { Cancellable } from './grpc-server.ts';
import { watchLocally } from './local-watch.ts';

/** Of a lease that is granted for a request that names none. */
const sessionTtlSeconds = 60;

/** etcd runs these services over a client of itself, and passes on the words of what it is refused, not the code. */
export function withoutCodes<T extends Record<string, (...args: any[]) => any>>(handlers: T): T {
  const wrapped = Object.entries(handlers).map(([name, handler]) => [
    name,
    async (...args: unknown[]) => {
      try {
        return await handler(...args);
      } catch (error) {
        if (error instanceof StoreError) throw new StoreError(Code.UNKNOWN, error.message);
        throw error;
      }
    },
  ]);
  return Object.fromEntries(wrapped) as T;
}

export interface Contender {
  key: Buffer;
  lease: bigint;
  /** That made the key: who has a lower one goes first. */
  createRevision: number;
  /** The key as it was found: it had been made before. */
  found: KeyValue | undefined;
  /** The store's revision then. */
  revision: number;
}

export const keyPrefix = (name: Buffer): Buffer => Buffer.concat([name, Buffer.from('/')]);

/** The contender's key, made unless it is there already. */
export async function enter(store: Store, name: Buffer, lease: bigint, value: Buffer): Promise<Contender> {
  const id = lease !== 0n ? lease : (await store.leaseGrant(0n, sessionTtlSeconds)).id;
  const key = Buffer.concat([keyPrefix(name), Buffer.from(id.toString(16))]);
  const { header, succeeded, responses } = await store.txn(
    txnRequest({
      compare: [{ key, target: CompareTarget.CREATE, result: CompareResult.EQUAL, createRevision: 0 }],
      success: [{ requestPut: { key, value, lease: id } }],
      failure: [{ requestRange: { key } }],
    }),
  );
  const found = succeeded ? undefined : responses[0]!.responseRange!.kvs[0]!;
  const { revision } = header;
  return { key, lease: id, createRevision: found?.createRevision ?? revision, found, revision };
}

/**
 * Resolves to the store's revision once every key made before this one is gone. Rejects, after the key was taken back,
 * when the client gives up.
 */
export async function whenFirst(store: Store, name: Buffer, contender: Contender, call: Cancellable): Promise<number> {
  const prefix = keyPrefix(name);
  let isCancelled = false;
  let stopWaiting = () => {};
  call.onCancel(() => {
    isCancelled = true;
    stopWaiting();
  });
  for (;;) {
    const before = await range(store, {
      ...prefixRange(prefix),
      maxCreateRevision: contender.createRevision - 1,
      sortTarget: SortTarget.CREATE,
      sortOrder: SortOrder.DESCEND,
      limit: 1,
    });
    const [previous] = before.kvs;
    if (!previous && !isCancelled) return before.header.revision;
    if (previous && !isCancelled) {
      const watch = watchLocally(
        store.watches,
        { key: latin1(previous.key), end: undefined },
        before.header.revision + 1,
      );
      stopWaiting = () => watch.close();
      await deleted(watch);
      watch.close();
    }
    if (isCancelled) {
      await leave(store, contender.key, contender.createRevision);
      throw new StoreError(Code.CANCELLED, 'context canceled');
    }
  }
}

/** Takes the key away if it is still the same one; the store's revision then. */
export async function leave(store: Store, key: Buffer, createRevision: number): Promise<number> {
  const { header } = await store.txn(
    txnRequest({
      compare: [{ key, target: CompareTarget.CREATE, result: CompareResult.EQUAL, createRevision }],
      success: [{ requestDeleteRange: { key } }],
    }),
  );
  return header.revision;
}

/** The key that was made first, if there is any. */
export function first(store: Store, name: Buffer): Promise<RangeResponse> {
  const byAge = { sortTarget: SortTarget.CREATE, sortOrder: SortOrder.ASCEND, limit: 1 };
  return range(store, { ...prefixRange(keyPrefix(name)), ...byAge });
}

export const range = (store: Store, request: InitOf<typeof RangeRequest>): Promise<RangeResponse> =>
  Promise.resolve(store.range(RangeRequest.decode(RangeRequest.encode(request))));

export const txnRequest = (request: InitOf<typeof TxnRequest>): TxnRequest =>
  TxnRequest.decode(TxnRequest.encode(request));

/** `prefix` ends in a slash. */
function prefixRange(prefix: Buffer): { key: Buffer; rangeEnd: Buffer } {
  const rangeEnd = Buffer.from(prefix);
  rangeEnd[rangeEnd.length - 1]!++;
  return { key: prefix, rangeEnd };
}

/** Or the watch ended: whoever waits looks again. */
async function deleted(watch: ReturnType<typeof watchLocally>): Promise<void> {
  for (;;) {
    const events = await watch.next();
    if (!events || events.some((event) => event.type === 1)) return;
  }
}
