import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '#etcd/error-catalogue.ts';
import { RangeRequest, type RequestOpInit, TxnRequest } from '#etcd/messages.ts';
import { StoreError } from '../store-error.ts';
import { checkRange, checkTxn } from './check-request.ts';

const refused = (text: string) => (error: unknown) => {
  assert.ok(error instanceof StoreError);
  assert.deepEqual([error.code, error.message], [Code.INVALID_ARGUMENT, `etcdserver: ${text}`]);
  return true;
};
const key = Buffer.from('b');
const check = (success: RequestOpInit[], opsMax = 128) =>
  checkTxn(TxnRequest.decode(TxnRequest.encode({ success })), opsMax);

test('check request: range: sort orders and targets that nobody knows', () => {
  for (const kind of [-1, 5, 100, 2 ** 31 - 1]) {
    const target = RangeRequest.encode({ key, sortTarget: kind as 0 });
    assert.throws(() => checkRange(RangeRequest.decode(target)), refused('invalid sort option'));
    const order = RangeRequest.encode({ key, sortOrder: kind as 0 });
    assert.throws(() => checkRange(RangeRequest.decode(order)), refused('invalid sort option'));
    assert.throws(() => check([{ requestRange: { key, sortTarget: kind as 0 } }]), refused('invalid sort option'));
  }
});

test('check request: txn: a delete of everything from a key on covers a put as well', () => {
  const put = { requestPut: { key } };
  const all = { requestDeleteRange: { key: Buffer.from('a'), rangeEnd: Buffer.from([0]) } };
  assert.throws(() => check([put, all]), refused('duplicate key given in txn request'));
  check([put, { requestDeleteRange: { key: Buffer.from('c'), rangeEnd: Buffer.from([0]) } }]);
});

test('check request: txn: nested ones share what is left of the limit', () => {
  const deep = (levels: number): RequestOpInit =>
    levels === 0 ? { requestPut: { key } } : { requestTxn: { success: [deep(levels - 1)] } };
  check([deep(3)], 4);
  assert.throws(() => check([deep(4)], 4), refused('too many operations in txn request'));
});
