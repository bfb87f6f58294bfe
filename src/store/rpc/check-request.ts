/** What is wrong with a request whatever the state: etcd's checks at the door, in etcd's order. */
import {
  type DeleteRangeRequest,
  type PutRequest,
  type RangeRequest,
  type RequestOp,
  SortOrder,
  SortTarget,
  type TxnRequest,
} from '#etcd/messages.ts';
import { type KeyRange, keyRange, latin1 } from '../mvcc/kv-store.ts';
import { errors } from '../store-error.ts';

const sortOrders = new Set<number>(Object.values(SortOrder));
const sortTargets = new Set<number>(Object.values(SortTarget));

export function checkRange(request: RangeRequest): void {
  if (request.key.length === 0) throw errors.emptyKey();
  const { sortOrder, sortTarget } = request;
  if (!sortOrders.has(sortOrder) || !sortTargets.has(sortTarget)) throw errors.invalidSortOption();
}

export function checkPut(request: PutRequest): void {
  if (request.key.length === 0) throw errors.emptyKey();
  if (request.ignoreValue && request.value.length > 0) throw errors.valueProvided();
  if (request.ignoreLease && request.lease !== 0n) throw errors.leaseProvided();
}

export function checkDeleteRange(request: DeleteRangeRequest): void {
  if (request.key.length === 0) throw errors.emptyKey();
}

export function checkTxn(request: TxnRequest, opsMax: number): void {
  checkTxnParts(request, opsMax);
  writes(request.success);
  writes(request.failure);
}

export function isReadOnly(request: TxnRequest): boolean {
  const isRead = (op: RequestOp): boolean =>
    op.requestRange !== undefined || (op.requestTxn !== undefined && isReadOnly(op.requestTxn));
  return request.success.every(isRead) && request.failure.every(isRead);
}

export function hasPut(request: TxnRequest): boolean {
  const puts = (op: RequestOp): boolean =>
    op.requestPut !== undefined || (op.requestTxn !== undefined && hasPut(op.requestTxn));
  return request.success.some(puts) || request.failure.some(puts);
}

/** A nested transaction may have what those around it left of the limit: so depth is bounded as well. */
function checkTxnParts(request: TxnRequest, opsMax: number): void {
  const { compare, success, failure } = request;
  const opsLeft = opsMax - Math.max(compare.length, success.length, failure.length);
  if (opsLeft < 0) throw errors.tooManyOperations();
  for (const one of compare) if (one.key.length === 0) throw errors.emptyKey();
  for (const op of [...success, ...failure]) {
    if (op.requestRange) checkRange(op.requestRange);
    else if (op.requestPut) checkPut(op.requestPut);
    else if (op.requestDeleteRange) checkDeleteRange(op.requestDeleteRange);
    else if (op.requestTxn) checkTxnParts(op.requestTxn, opsLeft);
    else throw errors.keyNotFound();
  }
}

interface Writes {
  puts: Set<string>;
  deletes: KeyRange[];
}

/**
 * A key may be put at most once in a transaction, and not both put and deleted: all of it is one revision. The two
 * branches of a nested transaction are alternatives, so the same key may stand in both.
 */
function writes(ops: readonly RequestOp[]): Writes {
  const puts = new Set<string>();
  const deletes: KeyRange[] = [];
  const put = (key: string) => {
    if (puts.has(key) || deletes.some((range) => isWithin(key, range))) throw errors.duplicateKey();
  };
  for (const { requestDeleteRange: op } of ops) if (op) deletes.push(keyRange(op.key, op.rangeEnd));
  for (const { requestTxn: op } of ops) {
    if (!op) continue;
    const branches = [writes(op.success), writes(op.failure)];
    for (const branch of branches) for (const key of branch.puts) put(key);
    for (const branch of branches) for (const key of branch.puts) puts.add(key);
    for (const branch of branches) deletes.push(...branch.deletes);
  }
  for (const { requestPut: op } of ops) {
    if (!op) continue;
    const key = latin1(op.key);
    put(key);
    puts.add(key);
  }
  return { puts, deletes };
}

function isWithin(key: string, { key: start, end }: KeyRange): boolean {
  if (end === undefined) return key === start;
  return key >= start && (end === null || key < end);
}
