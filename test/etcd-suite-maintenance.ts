import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EtcdSuiteContext } from './etcd-suite.ts';
import { text } from './etcd-suite.ts';

export function maintenanceSuite(context: EtcdSuiteContext): void {
  test('maintenance: status: a leader, a size, a version', async () => {
    const { client } = context;
    const status = await client.status();
    assert.match(status.version, /^3\.\d+\.\d+/);
    assert.ok(status.dbSize > 0);
    assert.equal(status.leader, status.header!.memberId);
    assert.ok(status.raftIndex > 0n && status.raftTerm > 0n);
  });

  test('maintenance: members: the one that answers', async () => {
    const { client } = context;
    const { members, header } = await client.memberList();
    assert.equal(members.length, 1);
    assert.equal(members[0]!.id, header!.memberId);
    assert.match(members[0]!.clientUrls[0]!, /^http/);
  });

  test('maintenance: snapshot: a copy in pieces', async () => {
    const { client } = context;
    await client.put({ key: text(`${context.prefix()}a`), value: Buffer.alloc(100_000, 'x') });
    let size = 0;
    for await (const piece of client.snapshot()) size += piece.length;
    assert.ok(size > 100_000);
    assert.equal(size % 512, 32, 'pages, then a SHA-256 of them');
  });

  test('maintenance: hash: the same for the same state, another after a write', async () => {
    const { client } = context;
    const first = await client.hashKv(0);
    assert.equal((await client.hashKv(0)).hash, first.hash);
    await client.put({ key: text(`${context.prefix()}a`), value: text('1') });
    assert.notEqual((await client.hashKv(0)).hash, first.hash);
  });

  test('maintenance: defragment and alarms: answered', async () => {
    const { client } = context;
    const key = text(`${context.prefix()}a`);
    await client.put({ key, value: text('1') });
    await client.defragment();
    assert.equal((await client.range({ key })).count, 1);
    assert.deepEqual((await client.alarm({})).alarms, []);
  });
}
