import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '#etcd/etcd-error.ts';
import { EventType } from '#etcd/key-value.ts';
import { type EtcdSuiteContext, etcdFailure, prefixEnd, text } from './etcd-suite.ts';
import { open } from './etcd-suite-watch.ts';

export function leaseSuite(context: EtcdSuiteContext): void {
  const notFound = etcdFailure(Code.NOT_FOUND, 'etcdserver: requested lease not found');

  test('lease: grant: the ID is chosen, or as asked for, once', async () => {
    const { client } = context;
    const chosen = await client.leaseGrant({ ttl: 60 });
    assert.ok(chosen.id > 0n);
    assert.equal(chosen.ttl, 60);
    const id = 0x7000_0000_0000_0001n;
    assert.equal((await client.leaseGrant({ ttl: 60, id })).id, id);
    await assert.rejects(
      client.leaseGrant({ ttl: 60, id }),
      etcdFailure(Code.FAILED_PRECONDITION, 'etcdserver: lease already exists'),
    );
    const ids = await client.leaseLeases();
    assert.ok(ids.includes(id) && ids.includes(chosen.id));
    await client.leaseRevoke(id);
    await client.leaseRevoke(chosen.id);
    await assert.rejects(client.leaseRevoke(id), notFound);
  });

  test('lease: revoke: deletes its keys in one revision', async () => {
    const { client } = context;
    const prefix = context.prefix();
    const { id } = await client.leaseGrant({ ttl: 60 });
    await client.put({ key: text(`${prefix}a`), value: text('1'), lease: id });
    const { header } = await client.put({ key: text(`${prefix}b`), value: text('1'), lease: id });
    const w = open(context, { key: text(prefix), rangeEnd: prefixEnd(prefix) });
    await w.created;
    await client.leaseRevoke(id);
    const events = await w.atLeast(2);
    assert.deepEqual(
      events.map((e) => [e.type, e.kv.modRevision]),
      [
        [EventType.DELETE, header!.revision + 1],
        [EventType.DELETE, header!.revision + 1],
      ],
    );
    w.handle.cancel();
  });

  test('lease: revoke: answered with the revision it took, also among others', async () => {
    const { client } = context;
    const prefix = context.prefix();
    const { id } = await client.leaseGrant({ ttl: 60 });
    await client.put({ key: text(`${prefix}leased`), lease: id });
    const w = open(context, { key: text(`${prefix}leased`) });
    await w.created;
    const puts = (n: number) => Array.from({ length: n }, (_, i) => client.put({ key: text(`${prefix}${i}`) }));
    const before = puts(20);
    const revoking = client.leaseRevoke(id);
    await Promise.all([...before, ...puts(20)]);
    const revoked = await revoking;
    assert.equal((await w.atLeast(1))[0]!.kv.modRevision, revoked.header!.revision);
    w.handle.cancel();
  });

  test('lease: keys: listed, and let go when put under another or none', async () => {
    const { client } = context;
    const prefix = context.prefix();
    const { id } = await client.leaseGrant({ ttl: 60 });
    const [a, b] = [text(`${prefix}a`), text(`${prefix}b`)];
    await client.put({ key: a, value: text('1'), lease: id });
    await client.put({ key: b, value: text('1'), lease: id });
    assert.equal((await client.range({ key: a })).kvs[0]!.lease, id);
    const ttl = await client.leaseTimeToLive({ id, keys: true });
    assert.deepEqual(ttl.keys.map(String).sort(), [a, b].map(String));
    assert.equal(ttl.grantedTtl, 60);
    assert.ok(ttl.ttl > 50 && ttl.ttl <= 60);
    await client.put({ key: b, value: text('2'), ignoreLease: true });
    assert.equal((await client.range({ key: b })).kvs[0]!.lease, id);
    await client.put({ key: a, value: text('2') });
    assert.deepEqual((await client.leaseTimeToLive({ id, keys: true })).keys.map(String), [String(b)]);
    await client.leaseRevoke(id);
    assert.equal((await client.range({ key: a })).count, 1);
    assert.equal((await client.range({ key: b })).count, 0);
  });

  test('lease: unknown: TTL -1, keep-alive 0, put refused', async () => {
    const { client } = context;
    assert.equal((await client.leaseTimeToLive({ id: 4711n })).ttl, -1);
    assert.equal(await client.leaseKeepAlive(4711n), 0);
    await assert.rejects(client.put({ key: text(`${context.prefix()}a`), lease: 4711n }), notFound);
  });

  test('lease: expiry: the keys go when nobody keeps it alive', async () => {
    const { client } = context;
    const prefix = context.prefix();
    const kept = await client.leaseGrant({ ttl: 2 });
    const left = await client.leaseGrant({ ttl: 2 });
    await client.put({ key: text(`${prefix}kept`), value: text('1'), lease: kept.id });
    await client.put({ key: text(`${prefix}left`), value: text('1'), lease: left.id });
    const w = open(context, { key: text(prefix), rangeEnd: prefixEnd(prefix) });
    await w.created;
    const keeping = setInterval(() => void client.leaseKeepAlive(kept.id).catch(() => {}), 300);
    try {
      const events = await w.atLeast(1);
      assert.equal(events[0]!.kv.key.toString(), `${prefix}left`);
      assert.equal((await client.range({ key: text(`${prefix}kept`) })).count, 1);
      assert.equal(await client.leaseKeepAlive(kept.id), 2);
    } finally {
      clearInterval(keeping);
      w.handle.cancel();
    }
    await client.leaseRevoke(kept.id);
  });
}
