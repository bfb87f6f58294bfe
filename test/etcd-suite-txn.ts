import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '#etcd/etcd-error.ts';
import { type Compare, CompareResult, CompareTarget } from '#etcd/messages.ts';
import { type EtcdSuiteContext, etcdFailure, prefixEnd, text } from './etcd-suite.ts';

export function txnSuite(context: EtcdSuiteContext): void {
  const { EQUAL, GREATER, LESS, NOT_EQUAL } = CompareResult;
  const { VERSION, CREATE, MOD, VALUE, LEASE } = CompareTarget;
  const holds = async (compare: Partial<Compare>) => (await context.client.txn({ compare: [compare] })).succeeded;

  test('txn: compare: every target and relation', async () => {
    const { client } = context;
    const key = text(`${context.prefix()}a`);
    const created = (await client.put({ key, value: text('m') })).header!.revision;
    const modified = (await client.put({ key, value: text('m') })).header!.revision;
    const table: [Partial<Compare>, boolean][] = [
      [{ target: VERSION, result: EQUAL, version: 2 }, true],
      [{ target: VERSION, result: GREATER, version: 2 }, false],
      [{ target: VERSION, result: LESS, version: 3 }, true],
      [{ target: VERSION, result: NOT_EQUAL, version: 2 }, false],
      [{ target: CREATE, result: EQUAL, createRevision: created }, true],
      [{ target: CREATE, result: LESS, createRevision: created }, false],
      [{ target: MOD, result: EQUAL, modRevision: modified }, true],
      [{ target: MOD, result: GREATER, modRevision: created }, true],
      [{ target: VALUE, result: EQUAL, value: text('m') }, true],
      [{ target: VALUE, result: GREATER, value: text('a') }, true],
      [{ target: VALUE, result: LESS, value: text('mm') }, true],
      [{ target: VALUE, result: NOT_EQUAL, value: text('m') }, false],
      [{ target: LEASE, result: EQUAL, lease: 0n }, true],
      [{ target: LEASE, result: GREATER, lease: 0n }, false],
    ];
    for (const [compare, expected] of table) {
      assert.equal(await holds({ key, ...compare }), expected, JSON.stringify({ ...compare, lease: undefined }));
    }
  });

  test('txn: compare: a missing key is all zero, and has no value', async () => {
    const key = text(`${context.prefix()}none`);
    assert.equal(await holds({ key, target: VERSION, result: EQUAL, version: 0 }), true);
    assert.equal(await holds({ key, target: MOD, result: EQUAL, modRevision: 0 }), true);
    assert.equal(await holds({ key, target: CREATE, result: GREATER, createRevision: 0 }), false);
    assert.equal(await holds({ key, target: VALUE, result: NOT_EQUAL, value: text('x') }), false);
  });

  test('txn: compare: a range holds when all its keys do', async () => {
    const { client } = context;
    const prefix = context.prefix();
    const range = { key: text(prefix), rangeEnd: prefixEnd(prefix) };
    await client.put({ key: text(`${prefix}a`), value: text('x') });
    await client.put({ key: text(`${prefix}b`), value: text('x') });
    assert.equal(await holds({ ...range, target: VALUE, result: EQUAL, value: text('x') }), true);
    await client.put({ key: text(`${prefix}b`), value: text('y') });
    assert.equal(await holds({ ...range, target: VALUE, result: EQUAL, value: text('x') }), false);
    assert.equal(await holds({ ...range, target: VERSION, result: GREATER, version: 0 }), true);
  });

  test('txn: operations: in order, in one revision, seeing each other', async () => {
    const { client } = context;
    const prefix = context.prefix();
    const [a, b] = [text(`${prefix}a`), text(`${prefix}b`)];
    const before = (await client.put({ key: a, value: text('0') })).header!.revision;
    const response = await client.txn({
      compare: [{ key: a, target: VERSION, result: EQUAL, version: 1 }],
      success: [
        { requestRange: { key: a } },
        { requestPut: { key: b, value: text('1'), prevKv: true } },
        { requestRange: { key: text(prefix), rangeEnd: prefixEnd(prefix) } },
        { requestDeleteRange: { key: a, prevKv: true } },
        { requestRange: { key: text(prefix), rangeEnd: prefixEnd(prefix) } },
      ],
      failure: [{ requestPut: { key: a, value: text('wrong') } }],
    });
    assert.equal(response.succeeded, true);
    assert.equal(response.header.revision, before + 1);
    const [first, put, second, deleted, third] = response.responses;
    assert.equal(first!.responseRange!.kvs[0]!.value.toString(), '0');
    assert.equal(put!.responsePut!.prevKv, undefined);
    assert.equal(put!.responsePut!.header!.revision, before + 1);
    assert.deepEqual(
      second!.responseRange!.kvs.map((kv) => [kv.value.toString(), kv.modRevision]),
      [
        ['0', before],
        ['1', before + 1],
      ],
    );
    assert.equal(deleted!.responseDeleteRange!.deleted, 1);
    assert.equal(deleted!.responseDeleteRange!.prevKvs[0]!.value.toString(), '0');
    assert.equal(third!.responseRange!.count, 1);
  });

  test('txn: failure branch: a read only one takes no revision', async () => {
    const { client } = context;
    const key = text(`${context.prefix()}a`);
    const before = (await client.put({ key, value: text('v') })).header!.revision;
    const response = await client.txn({
      compare: [{ key, target: MOD, result: EQUAL, modRevision: before - 1 }],
      success: [{ requestPut: { key, value: text('wrong') } }],
      failure: [{ requestRange: { key } }],
    });
    assert.deepEqual([response.succeeded, response.header.revision], [false, before]);
    assert.equal(response.responses[0]!.responseRange!.kvs[0]!.modRevision, before);
  });

  test('txn: nested: its own compares, the same revision', async () => {
    const { client } = context;
    const prefix = context.prefix();
    const [a, b] = [text(`${prefix}a`), text(`${prefix}b`)];
    const response = await client.txn({
      success: [
        { requestPut: { key: a, value: text('1') } },
        {
          requestTxn: {
            compare: [{ key: b, target: VERSION, result: GREATER, version: 0 }],
            success: [],
            failure: [{ requestPut: { key: b, value: text('2') } }, { requestRange: { key: a } }],
          },
        },
      ],
    });
    const inner = response.responses[1]!.responseTxn!;
    assert.equal(inner.succeeded, false);
    assert.equal(inner.responses[1]!.responseRange!.kvs[0]!.value.toString(), '1');
    const { kvs } = await client.range({ key: text(prefix), rangeEnd: prefixEnd(prefix) });
    assert.deepEqual(
      kvs.map((kv) => kv.modRevision),
      [response.header.revision, response.header.revision],
    );
  });

  test('txn: refused: a key twice, too many operations, an unknown lease, nothing applied', async () => {
    const { client } = context;
    const prefix = context.prefix();
    const key = text(`${prefix}a`);
    const put = { requestPut: { key, value: text('1') } };
    const duplicate = etcdFailure(Code.INVALID_ARGUMENT, 'etcdserver: duplicate key given in txn request');
    await assert.rejects(client.txn({ success: [put, put] }), duplicate);
    await assert.rejects(client.txn({ success: [put, { requestTxn: { success: [put] } }] }), duplicate);
    await assert.rejects(
      client.txn({ success: [put, { requestDeleteRange: { key: text(prefix), rangeEnd: prefixEnd(prefix) } }] }),
      duplicate,
    );
    await assert.rejects(
      client.txn({ success: Array.from({ length: 129 }, () => ({ requestRange: { key } })) }),
      etcdFailure(Code.INVALID_ARGUMENT, 'etcdserver: too many operations in txn request'),
    );
    await assert.rejects(
      client.txn({ success: [put, { requestPut: { key: text(`${prefix}b`), lease: 12345n } }] }),
      etcdFailure(Code.NOT_FOUND, 'etcdserver: requested lease not found'),
    );
    assert.equal((await client.range({ key })).count, 0);
    // The two branches are alternatives: the same key may stand in both.
    await client.txn({ success: [put], failure: [put] });
    assert.equal((await client.range({ key })).count, 1);
  });
}
