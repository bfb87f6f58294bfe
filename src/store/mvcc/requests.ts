/**
 * What the requests of etcd's KV service mean, in terms of the KvStore. First checkX (may refuse, changes nothing),
 * then the request itself, which cannot fail: so a transaction is never half done.
 */
import type { KeyValue, RangeResponse } from '#etcd/key-value.ts';
import {
  type Compare,
  CompareResult,
  CompareTarget,
  type DeleteRangeRequest,
  type DeleteRangeResponse,
  type PutRequest,
  type PutResponse,
  type RangeRequest,
  type RequestOp,
  type ResponseOp,
  SortOrder,
  SortTarget,
  type TxnRequest,
  type TxnResponse,
} from '#etcd/messages.ts';
import { emptyBuffer } from '#etcd/wire.ts';
import { errors } from '../store-error.ts';
import type { Found } from './key-index.ts';
import { type KvStore, keyRange, latin1 } from './kv-store.ts';

/** Only the revision; who answers a client fills in the rest. */
const headerAt = (revision: number) => ({ clusterId: 0n, memberId: 0n, revision, raftTerm: 0n });

export function range(kv: KvStore, request: RangeRequest): RangeResponse {
  const { limit, sortOrder, sortTarget } = request;
  const isByKey = sortTarget === SortTarget.KEY;
  const mustSort = !isByKey || sortOrder === SortOrder.DESCEND;
  // What is equal stays in the order of its keys, either way.
  const sign = sortOrder === SortOrder.DESCEND ? -1 : 1;
  const keepMax = limit > 0 && !mustSort ? limit : Number.POSITIVE_INFINITY;
  const matched: { key: string; found: Found }[] = [];
  let count = 0;
  let isMore = false;
  kv.scan(keyRange(request.key, request.rangeEnd), request.revision, (key, found) => {
    count++;
    if (request.countOnly || !isWithinRevisions(request, found)) return true;
    if (matched.length < keepMax) matched.push({ key, found });
    else isMore = true;
    return true;
  });
  const header = headerAt(kv.readRevision);
  if (request.countOnly) return { header, kvs: [], more: false, count };

  const needsValues = !request.keysOnly || sortTarget === SortTarget.VALUE;
  let kvs: KeyValue[];
  if (mustSort && sortTarget !== SortTarget.VALUE) {
    matched.sort((a, b) => sign * compareFound(sortTarget, a, b));
    isMore = limit > 0 && matched.length > limit;
    if (isMore) matched.length = limit;
    kvs = matched.map(({ key, found }) => kv.keyValue(key, found, needsValues));
  } else {
    kvs = matched.map(({ key, found }) => kv.keyValue(key, found, needsValues));
    if (mustSort) {
      kvs.sort((a, b) => sign * Buffer.compare(a.value, b.value));
      isMore = limit > 0 && kvs.length > limit;
      if (isMore) kvs.length = limit;
    }
  }
  if (request.keysOnly) for (const one of kvs) one.value = emptyBuffer;
  return { header, kvs, more: isMore, count };
}

export function put(kv: KvStore, request: PutRequest): PutResponse {
  const before = request.prevKv || request.ignoreValue ? kv.get(latin1(request.key)) : undefined;
  const value = request.ignoreValue ? before!.value : request.value;
  kv.put(request.key, value, request.ignoreLease ? undefined : request.lease);
  return { header: headerAt(kv.readRevision), prevKv: request.prevKv ? before : undefined };
}

export function deleteRange(kv: KvStore, request: DeleteRangeRequest): DeleteRangeResponse {
  const where = keyRange(request.key, request.rangeEnd);
  const prevKvs: KeyValue[] = [];
  if (request.prevKv) {
    kv.scan(where, 0, (key, found) => {
      prevKvs.push(kv.keyValue(key, found, true));
      return true;
    });
  }
  const deleted = kv.deleteRange(where);
  return { header: headerAt(kv.readRevision), deleted, prevKvs };
}

/** Which branch each transaction takes, decided on the state before any of it is applied. */
export interface TxnPlan {
  succeeded: boolean;
  ops: readonly RequestOp[];
  /** In the order of the nested transactions among `ops`. */
  nested: TxnPlan[];
}

export function planTxn(kv: KvStore, request: TxnRequest): TxnPlan {
  const succeeded = request.compare.every((compare) => holds(kv, compare));
  const ops = succeeded ? request.success : request.failure;
  return { succeeded, ops, nested: ops.flatMap((op) => (op.requestTxn ? [planTxn(kv, op.requestTxn)] : [])) };
}

export function txn(kv: KvStore, plan: TxnPlan): TxnResponse {
  const nested = plan.nested.values();
  const responses = plan.ops.map((op): ResponseOp => {
    const response: ResponseOp = {
      responseRange: undefined,
      responsePut: undefined,
      responseDeleteRange: undefined,
      responseTxn: undefined,
    };
    if (op.requestRange) response.responseRange = range(kv, op.requestRange);
    else if (op.requestPut) response.responsePut = put(kv, op.requestPut);
    else if (op.requestDeleteRange) response.responseDeleteRange = deleteRange(kv, op.requestDeleteRange);
    else response.responseTxn = txn(kv, nested.next().value!);
    return response;
  });
  return { header: headerAt(kv.readRevision), succeeded: plan.succeeded, responses };
}

/** What can be refused only by looking at the state: leases that are unknown, keys that are not there, old revisions. */
export function checkPlan(kv: KvStore, plan: TxnPlan, hasLease: (id: bigint) => boolean): void {
  for (const op of plan.ops) {
    if (op.requestPut) checkPut(kv, op.requestPut, hasLease);
    if (op.requestRange) kv.checkReadable(op.requestRange.revision);
  }
  for (const nested of plan.nested) checkPlan(kv, nested, hasLease);
}

export function checkPut(kv: KvStore, request: PutRequest, hasLease: (id: bigint) => boolean): void {
  if (request.ignoreValue || request.ignoreLease) {
    let exists = false;
    kv.scan({ key: latin1(request.key), end: undefined }, 0, () => {
      exists = true;
      return false;
    });
    if (!exists) throw errors.keyNotFound();
  }
  if (request.lease !== 0n && !hasLease(request.lease)) throw errors.leaseNotFound();
}

function holds(kv: KvStore, compare: Compare): boolean {
  const where = keyRange(compare.key, compare.rangeEnd);
  const needsRow = compare.target === CompareTarget.VALUE || compare.target === CompareTarget.LEASE;
  let isAny = false;
  let isHolding = true;
  kv.scan(where, 0, (key, found) => {
    isAny = true;
    isHolding = holdsFor(compare, found, needsRow ? kv.keyValue(key, found, true) : undefined);
    return isHolding;
  });
  if (isAny) return isHolding;
  // A key that is not there has no value to compare; everything else about it is zero.
  if (compare.target === CompareTarget.VALUE) return false;
  return holdsFor(compare, missing, undefined);
}
const missing: Found = { main: 0, sub: 0, createRevision: 0, version: 0 };

function holdsFor(compare: Compare, found: Found, row: KeyValue | undefined): boolean {
  const order = relation(compare, found, row);
  switch (compare.result) {
    case CompareResult.EQUAL:
      return order === 0;
    case CompareResult.NOT_EQUAL:
      return order !== 0;
    case CompareResult.GREATER:
      return order > 0;
    case CompareResult.LESS:
      return order < 0;
    default:
      return true;
  }
}

function relation(compare: Compare, found: Found, row: KeyValue | undefined): number {
  switch (compare.target) {
    case CompareTarget.VERSION:
      return found.version - compare.version;
    case CompareTarget.CREATE:
      return found.createRevision - compare.createRevision;
    case CompareTarget.MOD:
      return found.main - compare.modRevision;
    case CompareTarget.VALUE:
      return Buffer.compare(row!.value, compare.value);
    case CompareTarget.LEASE: {
      const lease = row?.lease ?? 0n;
      return lease < compare.lease ? -1 : lease > compare.lease ? 1 : 0;
    }
    default:
      return 0;
  }
}

function isWithinRevisions(request: RangeRequest, found: Found): boolean {
  return (
    (request.minModRevision === 0 || found.main >= request.minModRevision) &&
    (request.maxModRevision === 0 || found.main <= request.maxModRevision) &&
    (request.minCreateRevision === 0 || found.createRevision >= request.minCreateRevision) &&
    (request.maxCreateRevision === 0 || found.createRevision <= request.maxCreateRevision)
  );
}

type Matched = { key: string; found: Found };

function compareFound(target: number, a: Matched, b: Matched): number {
  if (target === SortTarget.VERSION) return a.found.version - b.found.version;
  if (target === SortTarget.CREATE) return a.found.createRevision - b.found.createRevision;
  if (target === SortTarget.MOD) return a.found.main - b.found.main;
  return a.key < b.key ? -1 : 1;
}
