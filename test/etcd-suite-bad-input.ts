/** Requests no client should make: refused by etcd's own code and words, nothing applied, and the server goes on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '#etcd/etcd-error.ts';
import { CompareTarget, type RequestOpInit, type WatchRequest } from '#etcd/messages.ts';
import { Cluster, KV, Lease, Maintenance, Watch } from '#etcd/rpc.ts';
import type { InitOf } from '#etcd/wire.ts';
import { type EtcdSuiteContext, etcdFailure, prefixEnd, text } from './etcd-suite.ts';

export function badInputSuite(context: EtcdSuiteContext): void {
  const tooManyOperations = etcdFailure(Code.INVALID_ARGUMENT, 'etcdserver: too many operations in txn request');
  const tooLarge = etcdFailure(Code.INVALID_ARGUMENT, 'etcdserver: request is too large');
  const keyMissing = etcdFailure(Code.INVALID_ARGUMENT, 'etcdserver: key is not provided');
  const futureRevision = etcdFailure(Code.OUT_OF_RANGE, 'etcdserver: mvcc: required revision is a future revision');
  const compacted = etcdFailure(Code.OUT_OF_RANGE, 'etcdserver: mvcc: required revision has been compacted');
  const leaseMissing = etcdFailure(Code.NOT_FOUND, 'etcdserver: requested lease not found');
  const count = async (key: string) => (await context.client.range({ key: text(key) })).count;

  test('bad input: ranges: reversed and empty ones hold nothing, negative limits and revisions mean none', async () => {
    const { raw } = context;
    const prefix = context.prefix();
    for (const name of ['a', 'b', 'c']) await raw.ask(KV.put, { key: text(prefix + name), value: text('1') });
    const all = { key: text(prefix), rangeEnd: prefixEnd(prefix) };
    const [a, c] = [text(`${prefix}a`), text(`${prefix}c`)];
    assert.equal((await raw.ask(KV.range, { key: c, rangeEnd: a })).count, 0);
    assert.equal((await raw.ask(KV.range, { key: c, rangeEnd: c })).count, 0);
    assert.equal((await raw.ask(KV.deleteRange, { key: c, rangeEnd: a })).deleted, 0);
    assert.equal((await raw.ask(KV.range, { ...all, limit: -1 })).kvs.length, 3);
    assert.equal((await raw.ask(KV.range, { ...all, revision: -5 })).kvs.length, 3);
    assert.equal((await raw.ask(KV.range, { ...all, minModRevision: -1 })).kvs.length, 3);
    assert.equal((await raw.ask(KV.range, { ...all, maxModRevision: -1 })).kvs.length, 0);
    await assert.rejects(raw.ask(KV.range, { rangeEnd: c }), keyMissing);
    await assert.rejects(raw.ask(KV.deleteRange, { rangeEnd: c }), keyMissing);
  });

  test('bad input: revisions: future ones and compacted ones', async () => {
    const { raw } = context;
    const prefix = context.prefix();
    const key = text(`${prefix}a`);
    const first = (await raw.ask(KV.put, { key })).header!.revision;
    const last = (await raw.ask(KV.put, { key })).header!.revision;
    for (const revision of [last + 1, 2 ** 53, 2 ** 62]) {
      await assert.rejects(raw.ask(KV.range, { key, revision }), futureRevision);
      await assert.rejects(raw.ask(KV.compact, { revision }), futureRevision);
      await assert.rejects(raw.ask(Maintenance.hashKv, { revision }), futureRevision);
      const write = { requestPut: { key: text(`${prefix}never`) } };
      const read = { requestRange: { key, revision } };
      await assert.rejects(raw.ask(KV.txn, { success: [write, read] }), futureRevision);
    }
    assert.equal(await count(`${prefix}never`), 0);
    await raw.ask(KV.compact, { revision: last });
    for (const revision of [1, first]) {
      await assert.rejects(raw.ask(KV.range, { key, revision }), compacted);
      await assert.rejects(raw.ask(KV.txn, { success: [{ requestRange: { key, revision } }] }), compacted);
      await assert.rejects(raw.ask(Maintenance.hashKv, { revision }), compacted);
    }
    for (const revision of [last, -3]) await assert.rejects(raw.ask(KV.compact, { revision }), compacted);
    assert.equal((await raw.ask(KV.range, { key, revision: last })).count, 1);
  });

  test('bad input: transactions: too many operations, flat or nested, and nested too deeply', async () => {
    const { raw } = context;
    const prefix = context.prefix();
    const puts = (n: number, name = ''): RequestOpInit[] =>
      Array.from({ length: n }, (_, i) => ({ requestPut: { key: text(`${prefix}${name}${i}`) } }));
    const compares = Array.from({ length: 129 }, () => ({ key: text('a') }));
    await assert.rejects(raw.ask(KV.txn, { success: puts(129) }), tooManyOperations);
    await assert.rejects(raw.ask(KV.txn, { failure: puts(129) }), tooManyOperations);
    await assert.rejects(raw.ask(KV.txn, { compare: compares }), tooManyOperations);
    const wide = (outer: number, inner: number): RequestOpInit[] =>
      Array.from({ length: outer }, (_, i) => ({ requestTxn: { success: puts(inner, `${i}-`) } }));
    await assert.rejects(raw.ask(KV.txn, { success: wide(100, 29) }), tooManyOperations);
    assert.equal((await raw.ask(KV.txn, { success: wide(100, 28) })).responses.length, 100);
    const deep = (levels: number): RequestOpInit =>
      levels === 0 ? { requestPut: { key: text(`${prefix}deep`) } } : { requestTxn: { success: [deep(levels - 1)] } };
    await assert.rejects(raw.ask(KV.txn, { success: [deep(128)] }), tooManyOperations);
    assert.equal(await count(`${prefix}deep`), 0);
    await raw.ask(KV.txn, { success: [deep(127)] });
    assert.equal(await count(`${prefix}deep`), 1);
  });

  test('bad input: transactions: nested a thousand times: refused, nothing applied', async () => {
    const { raw } = context;
    const key = `${context.prefix()}a`;
    let bytes = KV.txn.request.encode({ success: [{ requestPut: { key: text(key) } }] });
    for (let i = 0; i < 9000; i++) bytes = delimited(0x12, delimited(0x22, bytes));
    const outcome = await raw.call(KV.txn.path, bytes);
    assert.ok(outcome.code === Code.INVALID_ARGUMENT || outcome.code === Code.INTERNAL, outcome.details);
    assert.equal(await count(key), 0);
  });

  test('bad input: transactions: empty operations and keys, deletes over puts', async () => {
    const { raw } = context;
    const prefix = context.prefix();
    const key = text(`${prefix}a`);
    const put = { requestPut: { key, value: text('1') } };
    const keyNotFound = etcdFailure(Code.INVALID_ARGUMENT, 'etcdserver: key not found');
    const duplicate = etcdFailure(Code.INVALID_ARGUMENT, 'etcdserver: duplicate key given in txn request');
    await assert.rejects(raw.ask(KV.txn, { success: [put, {}] }), keyNotFound);
    await assert.rejects(raw.ask(KV.txn, { success: [put], compare: [{}] }), keyMissing);
    await assert.rejects(raw.ask(KV.txn, { success: [put, { requestRange: {} }] }), keyMissing);
    await assert.rejects(raw.ask(KV.txn, { success: [put, { requestDeleteRange: {} }] }), keyMissing);
    await assert.rejects(raw.ask(KV.txn, { success: [put], failure: [{ requestPut: {} }] }), keyMissing);
    for (const rangeEnd of [Buffer.alloc(0), prefixEnd(prefix)]) {
      await assert.rejects(raw.ask(KV.txn, { success: [put, { requestDeleteRange: { key, rangeEnd } }] }), duplicate);
    }
    const other = { requestPut: { key: text(`${prefix}b`), ignoreValue: true } };
    await assert.rejects(raw.ask(KV.txn, { success: [put, other] }), keyNotFound);
    assert.equal(await count(`${prefix}a`), 0);
    // What overlaps only in reading is in order.
    const { responses } = await raw.ask(KV.txn, { success: [put, { requestRange: { key } }] });
    assert.equal(responses[1]!.responseRange!.count, 1);
    const empty = await raw.ask(KV.txn, {});
    assert.deepEqual([empty.succeeded, empty.responses.length], [true, 0]);
  });

  test('bad input: compares: kinds nobody knows hold, of a value that is not there none does', async () => {
    const { raw } = context;
    const key = text(`${context.prefix()}a`);
    await raw.ask(KV.put, { key, value: text('1') });
    const holds = async (compare: object) => (await raw.ask(KV.txn, { compare: [{ key, ...compare }] })).succeeded;
    for (const kind of [9, -1, 2 ** 31 - 1]) {
      assert.equal(await holds({ result: kind }), true);
      assert.equal(await holds({ target: kind }), true);
    }
    assert.equal(await holds({ target: CompareTarget.VALUE, version: 1 }), false);
    assert.equal(await holds({ target: CompareTarget.VERSION, rangeEnd: text('/'), version: 0 }), true);
  });

  test('bad input: sizes: a request over the limit is refused, one just below is taken, as are large keys', async () => {
    const { raw } = context;
    const prefix = context.prefix();
    const key = text(`${prefix}a`);
    const limit = 1.5 * 1024 * 1024;
    await assert.rejects(raw.ask(KV.put, { key, value: Buffer.alloc(limit) }), tooLarge);
    await assert.rejects(raw.ask(KV.txn, { success: [{ requestPut: { key, value: Buffer.alloc(limit) } }] }), tooLarge);
    await assert.rejects(raw.ask(KV.deleteRange, { key: Buffer.alloc(limit + 1, 'k') }), tooLarge);
    const beyond = etcdFailure(Code.RESOURCE_EXHAUSTED, /received message larger than max/i);
    await assert.rejects(raw.ask(KV.put, { key, value: Buffer.alloc(2 * limit) }), beyond);
    assert.equal(await count(`${prefix}a`), 0);
    await raw.ask(KV.put, { key, value: Buffer.alloc(limit - 100) });
    const long = Buffer.concat([text(prefix), Buffer.alloc(1024 * 1024, 'k')]);
    await raw.ask(KV.put, { key: long });
    assert.equal((await raw.ask(KV.range, { key: long, keysOnly: true })).kvs[0]!.key.length, long.length);
    assert.equal((await raw.ask(KV.range, { key: Buffer.alloc(limit + 1, 'k') })).count, 0);
  });

  test('bad input: leases: odd times to live, IDs of all 64 bits, unknown and duplicate ones', async () => {
    const { raw } = context;
    const key = text(`${context.prefix()}a`);
    const short = await raw.ask(Lease.grant, { ttl: -1 });
    assert.equal(short.ttl, 2);
    const tooLong = etcdFailure(Code.OUT_OF_RANGE, 'etcdserver: too large lease TTL');
    await assert.rejects(raw.ask(Lease.grant, { ttl: 9_000_000_001 }), tooLong);
    const exists = etcdFailure(Code.FAILED_PRECONDITION, 'etcdserver: lease already exists');
    for (const id of [-1n, -(2n ** 63n), 2n ** 63n - 1n]) {
      assert.equal((await raw.ask(Lease.grant, { ttl: 9_000_000_000, id })).id, id);
      await assert.rejects(raw.ask(Lease.grant, { ttl: 10, id }), exists);
      await raw.ask(KV.put, { key, lease: id });
      assert.equal((await raw.ask(KV.range, { key })).kvs[0]!.lease, id);
      await raw.ask(Lease.revoke, { id });
      assert.equal((await raw.ask(KV.range, { key })).count, 0);
      await assert.rejects(raw.ask(Lease.revoke, { id }), leaseMissing);
      await assert.rejects(raw.ask(KV.put, { key, lease: id }), leaseMissing);
    }
    await assert.rejects(raw.ask(Lease.revoke, { id: 0n }), leaseMissing);
    const unknown = await raw.ask(Lease.timeToLive, { id: 5n, keys: true });
    assert.deepEqual([unknown.id, unknown.ttl, unknown.grantedTtl, unknown.keys], [5n, -1, 0, []]);
  });

  test('bad input: lease keep-alive: a broken message ends the stream, what was asked before is answered', async () => {
    const stream = context.raw.stream(Lease.keepAlive.path);
    stream.write(Lease.keepAlive.request.encode({ id: 4712n }));
    const answer = Lease.keepAlive.response.decode(await stream.message(1));
    assert.deepEqual([answer.id, answer.ttl], [4712n, 0]);
    stream.write(Buffer.from([0x08]));
    assert.equal((await stream.ended).code, Code.INTERNAL);
  });

  test('bad input: alarms: raised by name, one member at a time; full and damaged stores refuse', async () => {
    const { raw } = context;
    const prefix = context.prefix();
    const key = text(`${prefix}a`);
    await raw.ask(KV.put, { key });
    const spaceless = etcdFailure(Code.RESOURCE_EXHAUSTED, 'etcdserver: mvcc: database space exceeded');
    const corrupt = etcdFailure(Code.DATA_LOSS, 'etcdserver: corrupt cluster');
    const alarms = async (request: InitOf<typeof Maintenance.alarm.request>) =>
      (await raw.ask(Maintenance.alarm, request)).alarms;
    const full = { memberId: 77n, alarm: 1 as const };
    assert.deepEqual(await alarms({ action: 1, ...full }), [full]);
    assert.deepEqual(await alarms({ action: 1, ...full }), [full]);
    assert.deepEqual(await alarms({}), [full]);
    assert.deepEqual(await alarms({ alarm: 2 }), []);
    await assert.rejects(raw.ask(KV.put, { key }), spaceless);
    await assert.rejects(raw.ask(Lease.grant, { ttl: 100 }), spaceless);
    await assert.rejects(raw.ask(KV.txn, { failure: [{ requestPut: { key } }] }), spaceless);
    await raw.ask(KV.txn, { success: [{ requestDeleteRange: { key } }] });
    await raw.ask(KV.deleteRange, { key });
    assert.deepEqual(await alarms({ action: 2 }), []);
    assert.deepEqual(await alarms({ action: 2, memberId: 78n, alarm: 1 }), []);
    assert.match((await raw.ask(Maintenance.status, {})).errors.join(), /memberID:77 alarm:NOSPACE/);
    assert.deepEqual(await alarms({ action: 2, ...full }), [full]);
    assert.deepEqual(await alarms({ action: 2, ...full }), []);
    const { header } = await raw.ask(KV.put, { key });

    const damaged = { memberId: 78n, alarm: 2 as const };
    await alarms({ action: 1, ...damaged });
    await assert.rejects(raw.ask(KV.put, { key }), corrupt);
    await assert.rejects(raw.ask(KV.deleteRange, { key }), corrupt);
    await assert.rejects(raw.ask(KV.txn, { success: [{ requestPut: { key } }] }), corrupt);
    await assert.rejects(raw.ask(KV.compact, { revision: header!.revision }), corrupt);
    await assert.rejects(raw.ask(Lease.grant, { ttl: 100 }), corrupt);
    assert.deepEqual(await alarms({ action: 2, ...damaged }), [damaged]);
    await raw.ask(KV.put, { key });
  });

  test('bad input: members: unknown ones', async () => {
    const { raw } = context;
    const unknown = etcdFailure(Code.NOT_FOUND, 'etcdserver: member not found');
    await assert.rejects(raw.ask(Cluster.memberRemove, { id: 5n }), unknown);
    await assert.rejects(raw.ask(Cluster.memberUpdate, { id: 5n, peerUrls: ['http://127.0.0.1:1'] }), unknown);
    await assert.rejects(raw.ask(Cluster.memberPromote, { id: 5n }), unknown);
    await assert.rejects(
      raw.ask(Maintenance.moveLeader, { targetId: 5n }),
      etcdFailure(Code.FAILED_PRECONDITION, 'etcdserver: bad leader transferee'),
    );
  });

  test('bad input: malformed messages: refused as such, unknown fields and groups passed over', async () => {
    const { raw } = context;
    const malformed: [string, number[]][] = [
      ['bytes cut off', [0x0a, 0x20, 1]],
      ['a number cut off', [0x0a, 1, 97, 0x18, 0xff]],
      ['a number for bytes', [0x08, 1]],
      ['bytes for a number', [0x0a, 1, 97, 0x1a, 1, 1]],
      ['a wire type that is none', [0x0f, 1]],
      ['a field 0', [0x0a, 1, 97, 0x00, 1]],
      ['an endless number', Array.from({ length: 100 }, () => 0xff)],
    ];
    for (const [name, bytes] of malformed) {
      assert.equal((await raw.call(KV.range.path, Buffer.from(bytes))).code, Code.INTERNAL, name);
    }
    const nested: [string, number[]][] = [
      ['a nested message cut off', [0x12, 0x04, 0x0a, 0x10, 1, 1]],
      ['a field that reaches beyond its message', [0x12, 0x04, 0x0a, 0x06, 0x0a, 1, 97, 0x18, 1, 0, 0]],
    ];
    for (const [name, bytes] of nested) {
      assert.equal((await raw.call(KV.txn.path, Buffer.from(bytes))).code, Code.INTERNAL, name);
    }
    for (const bytes of [
      [0x0a, 1, 97, 0x7b, 0x7c],
      [0x0a, 1, 97, 0xf8, 0x07, 1],
    ]) {
      assert.equal((await raw.call(KV.range.path, Buffer.from(bytes))).code, 0);
    }
    for (const path of ['/etcdserverpb.KV/Nope', '/no.Such/Service']) {
      assert.equal((await raw.call(path, Buffer.alloc(0))).code, Code.UNIMPLEMENTED);
    }
  });

  test('bad input: headers: of megabytes: an answer or a refusal, and the others are served', async () => {
    const { raw } = context;
    const request = KV.range.request.encode({ key: text('a') });
    const headers = { 'x-large': 'x'.repeat(4_000_000) };
    const flood = Array.from({ length: 8 }, () => raw.call(KV.range.path, request, headers));
    for (const { code } of await Promise.all(flood)) assert.notEqual(code, Code.DEADLINE_EXCEEDED);
    assert.ok((await context.client.status()).dbSize > 0);
  });

  const watchId = async (requests: InitOf<typeof WatchRequest>[], answers: number) => {
    const stream = context.raw.stream(Watch.watch.path);
    for (const request of requests) stream.write(Watch.watch.request.encode(request));
    await stream.message(answers);
    stream.cancel();
    return stream.received.map((bytes) => Watch.watch.response.decode(bytes));
  };
  const shown = (r: { watchId: number; created: boolean; canceled: boolean; cancelReason: string }) =>
    `${r.watchId}${r.created ? ' created' : ''}${r.canceled ? ' canceled' : ''} ${r.cancelReason}`.trim();

  test('bad input: watches: IDs that are taken, reused, negative; ranges that are empty', async () => {
    const key = text(`${context.prefix()}a`);
    const create = (request: object) => ({ createRequest: { key, ...request } });
    const cases: [InitOf<typeof WatchRequest>[], string[]][] = [
      [
        [create({ watchId: 7 }), create({ watchId: 7 })],
        ['7 created', '-1 created canceled mvcc: duplicate watch ID provided on the WatchStream'],
      ],
      [
        [create({ watchId: 7 }), { cancelRequest: { watchId: 7 } }, create({ watchId: 7 })],
        ['7 created', '7 canceled', '7 created'],
      ],
      [[create({ watchId: -5 })], ['-5 created']],
      [
        [create({ watchId: 1 }), create({}), create({})],
        ['1 created', '0 created', '2 created'],
      ],
      [[{ createRequest: {} }], ['0 created']],
      [
        [create({ rangeEnd: text('/') }), create({ rangeEnd: key }), create({})],
        [
          '-1 created canceled mvcc: watcher range is empty',
          '-1 created canceled mvcc: watcher range is empty',
          '0 created',
        ],
      ],
      [[{ cancelRequest: { watchId: 99 } }, { cancelRequest: { watchId: -1 } }, {}, create({})], ['0 created']],
      [[{ progressRequest: {} }], ['-1']],
      [[create({ startRevision: 2 ** 40, filters: [7 as 0] })], ['0 created']],
    ];
    for (const [requests, expected] of cases) {
      assert.deepEqual((await watchId(requests, expected.length)).map(shown), expected);
    }
  });

  test('bad input: watches: a start before what is left, even a negative one, is told so', async () => {
    const { client } = context;
    const key = text(`${context.prefix()}a`);
    await client.put({ key });
    const { header } = await client.put({ key });
    await client.compact({ revision: header!.revision });
    for (const startRevision of [1, -5]) {
      const responses = await watchId([{ createRequest: { key, startRevision } }], 2);
      assert.deepEqual(
        responses.map((r) => [shown(r), r.compactRevision]),
        [
          ['0 created', 0],
          ['0 canceled', header!.revision],
        ],
      );
    }
  });

  test('bad input: watches: a broken message ends the stream', async () => {
    const stream = context.raw.stream(Watch.watch.path);
    stream.write(Watch.watch.request.encode({ createRequest: { key: text('a') } }));
    await stream.message(1);
    stream.write(Buffer.from([0x0a, 0x20, 1]));
    assert.equal((await stream.ended).code, Code.INTERNAL);
  });

  test('many: watches on one stream, leases on one server: all of them work', async () => {
    const { raw, client } = context;
    const key = text(`${context.prefix()}a`);
    const watches = 3000;
    const stream = raw.stream(Watch.watch.path);
    for (let i = 0; i < watches; i++) stream.write(Watch.watch.request.encode({ createRequest: { key } }));
    await stream.message(watches);
    await client.put({ key, value: text('1') });
    await stream.message(2 * watches);
    const told = new Set(stream.received.slice(watches).map((bytes) => Watch.watch.response.decode(bytes).watchId));
    assert.equal(told.size, watches);
    stream.cancel();

    const ids: bigint[] = [];
    for (let from = 0; from < 3000; from += 500) {
      const granted = Array.from({ length: 500 }, () => client.leaseGrant({ ttl: 600 }));
      for (const { id } of await Promise.all(granted)) ids.push(id);
    }
    const listed = new Set(await client.leaseLeases());
    assert.ok(ids.every((id) => listed.has(id)));
    for (let from = 0; from < ids.length; from += 500) {
      await Promise.all(ids.slice(from, from + 500).map((id) => client.leaseRevoke(id)));
    }
  });
}

function delimited(tag: number, bytes: Buffer): Buffer {
  const head = [tag];
  let length = bytes.length;
  for (; length > 0x7f; length >>>= 7) head.push((length & 0x7f) | 0x80);
  head.push(length);
  return Buffer.concat([Buffer.from(head), bytes]);
}
