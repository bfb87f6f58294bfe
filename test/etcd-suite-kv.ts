import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '#etcd/etcd-error.ts';
import { SortOrder, SortTarget } from '#etcd/messages.ts';
import { type EtcdSuiteContext, etcdFailure, prefixEnd, text } from './etcd-suite.ts';

export function kvSuite(context: EtcdSuiteContext): void {
  const keysOf = (response: { kvs: { key: Buffer }[] }, prefix: string) =>
    response.kvs.map((kv) => kv.key.toString().slice(prefix.length));

  test('kv: put: revisions and version count up', async () => {
    const { client } = context;
    const key = text(`${context.prefix()}a`);
    const first = await client.put({ key, value: text('1') });
    const second = await client.put({ key, value: text('2'), prevKv: true });
    assert.equal(second.header!.revision, first.header!.revision + 1);
    assert.equal(second.prevKv!.value.toString(), '1');
    const { kvs, count, more } = await client.range({ key });
    assert.deepEqual(
      { ...kvs[0], key: kvs[0]!.key.toString(), value: kvs[0]!.value.toString() },
      {
        key: key.toString(),
        value: '2',
        createRevision: first.header!.revision,
        modRevision: second.header!.revision,
        version: 2,
        lease: 0n,
      },
    );
    assert.deepEqual([count, more], [1, false]);
  });

  test('kv: put: any bytes as key and value', async () => {
    const { client } = context;
    const prefix = Buffer.from(context.prefix());
    const key = Buffer.concat([prefix, Buffer.from([0, 0xff, 0x80, 0x0a, 0xc3])]);
    const value = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    await client.put({ key, value });
    const { kvs } = await client.range({ key });
    assert.deepEqual(kvs[0]!.key, key);
    assert.deepEqual(kvs[0]!.value, value);
  });

  test('kv: put: deleted and created again starts at version 1', async () => {
    const { client } = context;
    const key = text(`${context.prefix()}a`);
    await client.put({ key, value: text('1') });
    await client.deleteRange({ key });
    const { header } = await client.put({ key, value: text('2') });
    const { kvs } = await client.range({ key });
    assert.equal(kvs[0]!.version, 1);
    assert.equal(kvs[0]!.createRevision, header!.revision);
  });

  test('kv: put: ignore_value and ignore_lease', async () => {
    const { client } = context;
    const key = text(`${context.prefix()}a`);
    await assert.rejects(
      client.put({ key, ignoreValue: true }),
      etcdFailure(Code.INVALID_ARGUMENT, 'etcdserver: key not found'),
    );
    await client.put({ key, value: text('kept') });
    await client.put({ key, ignoreValue: true });
    const { kvs } = await client.range({ key });
    assert.equal(kvs[0]!.value.toString(), 'kept');
    assert.equal(kvs[0]!.version, 2);
    await assert.rejects(
      client.put({ key, value: text('x'), ignoreValue: true }),
      etcdFailure(Code.INVALID_ARGUMENT, 'etcdserver: value is provided'),
    );
    await assert.rejects(
      client.put({ key, lease: 1n, ignoreLease: true }),
      etcdFailure(Code.INVALID_ARGUMENT, 'etcdserver: lease is provided'),
    );
  });

  test('kv: an empty key: refused everywhere', async () => {
    const { client } = context;
    const refused = etcdFailure(Code.INVALID_ARGUMENT, 'etcdserver: key is not provided');
    await assert.rejects(client.put({ value: text('x') }), refused);
    await assert.rejects(client.range({}), refused);
    await assert.rejects(client.deleteRange({}), refused);
  });

  test('kv: put: too large a request is refused', async () => {
    await assert.rejects(
      context.client.put({ key: text(`${context.prefix()}a`), value: Buffer.alloc(1.5 * 1024 * 1024 + 1) }),
      etcdFailure(Code.INVALID_ARGUMENT, 'etcdserver: request is too large'),
    );
  });

  test('kv: range: half-open, from-key, everything', async () => {
    const { client } = context;
    const prefix = context.prefix();
    for (const name of ['a', 'b', 'c', 'd']) await client.put({ key: text(prefix + name), value: text(name) });
    const range = async (from: string, rangeEnd: Buffer) =>
      keysOf(await client.range({ key: text(prefix + from), rangeEnd }), prefix);
    assert.deepEqual(await range('b', text(`${prefix}d`)), ['b', 'c']);
    assert.deepEqual(await range('', prefixEnd(prefix)), ['a', 'b', 'c', 'd']);
    assert.deepEqual(await range('c', text(`${prefix}b`)), []);
    const all = await client.range({ key: Buffer.from([0]), rangeEnd: Buffer.from([0]), countOnly: true });
    assert.ok(all.count >= 4);
    assert.deepEqual(all.kvs, []);
  });

  test('kv: range: limit, count, keys only', async () => {
    const { client } = context;
    const prefix = context.prefix();
    for (const name of ['a', 'b', 'c']) await client.put({ key: text(prefix + name), value: text(name) });
    const range = { key: text(prefix), rangeEnd: prefixEnd(prefix) };
    const page = await client.range({ ...range, limit: 2 });
    assert.deepEqual([keysOf(page, prefix), page.more, page.count], [['a', 'b'], true, 3]);
    const exact = await client.range({ ...range, limit: 3 });
    assert.deepEqual([exact.kvs.length, exact.more], [3, false]);
    const keys = await client.range({ ...range, keysOnly: true });
    assert.deepEqual(
      keys.kvs.map((kv) => kv.value.length),
      [0, 0, 0],
    );
    const counted = await client.range({ ...range, countOnly: true });
    assert.deepEqual([counted.count, counted.kvs.length], [3, 0]);
  });

  test('kv: range: sorted by every target, filtered by revisions', async () => {
    const { client } = context;
    const prefix = context.prefix();
    const put = async (name: string, value: string) =>
      (await client.put({ key: text(prefix + name), value: text(value) })).header!.revision;
    await put('a', '3');
    const second = await put('b', '1');
    await put('c', '2');
    const last = await put('a', '3');
    const range = { key: text(prefix), rangeEnd: prefixEnd(prefix) };
    const sorted = async (sortTarget: 0 | 1 | 2 | 3 | 4, sortOrder: 0 | 1 | 2, limit = 0) =>
      keysOf(await client.range({ ...range, sortTarget, sortOrder, limit }), prefix).join('');
    assert.equal(await sorted(SortTarget.KEY, SortOrder.DESCEND), 'cba');
    assert.equal(await sorted(SortTarget.VALUE, SortOrder.ASCEND), 'bca');
    assert.equal(await sorted(SortTarget.VALUE, SortOrder.NONE), 'bca');
    assert.equal(await sorted(SortTarget.MOD, SortOrder.DESCEND), 'acb');
    assert.equal(await sorted(SortTarget.CREATE, SortOrder.ASCEND), 'abc');
    assert.equal(await sorted(SortTarget.VERSION, SortOrder.DESCEND, 1), 'a');
    assert.equal(await sorted(SortTarget.VERSION, SortOrder.DESCEND), 'abc');
    assert.equal(await sorted(SortTarget.VERSION, SortOrder.ASCEND), 'bca');
    assert.deepEqual(keysOf(await client.range({ ...range, minModRevision: last }), prefix), ['a']);
    assert.deepEqual(keysOf(await client.range({ ...range, maxModRevision: second }), prefix), ['b']);
    assert.deepEqual(keysOf(await client.range({ ...range, minCreateRevision: second }), prefix), ['b', 'c']);
    assert.deepEqual(keysOf(await client.range({ ...range, maxCreateRevision: second }), prefix), ['a', 'b']);
  });

  test('kv: range: at an old revision, deleted keys included', async () => {
    const { client } = context;
    const prefix = context.prefix();
    await client.put({ key: text(`${prefix}a`), value: text('1') });
    const { header } = await client.put({ key: text(`${prefix}b`), value: text('1') });
    await client.put({ key: text(`${prefix}a`), value: text('2') });
    await client.deleteRange({ key: text(`${prefix}b`) });
    await client.put({ key: text(`${prefix}c`), value: text('1') });
    const range = { key: text(prefix), rangeEnd: prefixEnd(prefix) };
    const old = await client.range({ ...range, revision: header!.revision });
    assert.deepEqual(
      old.kvs.map((kv) => [kv.key.toString().slice(prefix.length), kv.value.toString(), kv.version]),
      [
        ['a', '1', 1],
        ['b', '1', 1],
      ],
    );
    assert.equal(old.count, 2);
    assert.deepEqual(keysOf(await client.range(range), prefix), ['a', 'c']);
    await assert.rejects(
      client.range({ ...range, revision: old.header.revision + 1000 }),
      etcdFailure(Code.OUT_OF_RANGE, 'etcdserver: mvcc: required revision is a future revision'),
    );
  });

  test('kv: delete: a range in one revision, nothing in none', async () => {
    const { client } = context;
    const prefix = context.prefix();
    for (const name of ['a', 'b', 'c']) await client.put({ key: text(prefix + name), value: text(name) });
    const before = (await client.range({ key: text(prefix) })).header.revision;
    const range = { key: text(prefix), rangeEnd: prefixEnd(prefix) };
    const deleted = await client.deleteRange({ ...range, prevKv: true });
    assert.deepEqual([deleted.deleted, deleted.header!.revision], [3, before + 1]);
    assert.deepEqual(
      deleted.prevKvs.map((kv) => kv.value.toString()),
      ['a', 'b', 'c'],
    );
    const again = await client.deleteRange(range);
    assert.deepEqual([again.deleted, again.header!.revision], [0, before + 1]);
  });

  test('kv: compact: history before it is gone, the state at it is not', async () => {
    const { client } = context;
    const prefix = context.prefix();
    const key = text(`${prefix}a`);
    const first = (await client.put({ key, value: text('1') })).header!.revision;
    await client.put({ key, value: text('2') });
    const third = (await client.put({ key, value: text('3') })).header!.revision;
    await client.compact({ revision: third - 1, physical: true });
    assert.equal((await client.range({ key, revision: third - 1 })).kvs[0]!.value.toString(), '2');
    const compacted = etcdFailure(Code.OUT_OF_RANGE, 'etcdserver: mvcc: required revision has been compacted');
    await assert.rejects(client.range({ key, revision: first }), compacted);
    await assert.rejects(client.compact({ revision: third - 1 }), compacted);
    await assert.rejects(
      client.compact({ revision: third + 1000 }),
      etcdFailure(Code.OUT_OF_RANGE, 'etcdserver: mvcc: required revision is a future revision'),
    );
    const { kvs } = await client.range({ key });
    assert.deepEqual([kvs[0]!.value.toString(), kvs[0]!.version, kvs[0]!.createRevision], ['3', 3, first]);
  });
}
