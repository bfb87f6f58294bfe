/** Stores moved to Debian's etcd and back, with its own etcdctl: nothing of them changes. */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openDatabase } from '#store/backend/database.ts';
import { noClock } from '#store/snapshot/embedded-snapshot.ts';
import { ended, startOurEtcd } from './etcd-processes.ts';
import { directory, etcdctl, restored, skip, store } from './restored-etcd.ts';
import { viewOf, withClient } from './store-view.ts';

async function ours(t: TestContext, dataDir?: string) {
  const etcd = await startOurEtcd([], dataDir);
  t.after(() => etcd.stop());
  return etcd;
}

/** Every kind of change. */
async function writeHistory(endpoint: string, round: string): Promise<void> {
  const key = (name: string) => Buffer.from(`${round}/${name}`);
  await withClient(endpoint, async (client) => {
    for (let i = 0; i < 12; i++) await client.put({ key: key(`k${i % 4}`), value: Buffer.from(String(i)) });
    await client.put({ key: Buffer.from([0xff, 0, 0x74, 0x5f]), value: Buffer.alloc(0) });
    await client.put({ key: key('large'), value: Buffer.alloc(1_000_000, round) });
    await client.deleteRange({ key: key('k1') });
    const lease = await client.leaseGrant({ ttl: 4000 });
    await client.put({ key: key('leased'), value: Buffer.from('1'), lease: lease.id });
    await client.put({ key: key('leased'), value: Buffer.from('2'), ignoreLease: true });
    await client.leaseGrant({ ttl: 5000 });
    const gone = await client.leaseGrant({ ttl: 6000 });
    await client.put({ key: key('gone'), value: Buffer.from('1'), lease: gone.id });
    await client.leaseRevoke(gone.id);
    await client.txn({
      compare: [],
      success: [
        { requestPut: { key: key('t1'), value: Buffer.from('1') } },
        { requestDeleteRange: { key: key('k2') } },
        { requestPut: { key: key('t2'), value: Buffer.from('2') } },
      ],
    });
    const { header } = await client.put({ key: key('k1'), value: Buffer.from('again') });
    await client.compact({ revision: header!.revision - 9, physical: true });
    await client.deleteRange({ key: key('k'), rangeEnd: key('l') });
    await client.put({ key: key('k3'), value: Buffer.from('last') });
  });
}

test('migrate: to etcd, written to there, and back: the same at every revision', { skip }, async (t) => {
  const dir = directory(t);
  const source = await ours(t);
  await writeHistory(source.endpoint, 'first');
  const before = await viewOf(source.endpoint);
  assert.ok(before.compactRevision > 0 && before.leases.length === 2);
  await source.end('SIGTERM');

  const forEtcd = join(dir, 'for-etcd.db');
  await store('migrate', '--from', source.dataDir, '--to', 'etcd-snapshot', '--output', forEtcd);
  assert.equal(statSync(forEtcd).mode & 0o777, 0o600);
  const [theirs, mine] = await Promise.all([
    etcdctl('snapshot', 'status', forEtcd, '-w=json'),
    store('snapshot', 'status', forEtcd, '-o', 'json'),
  ]);
  assert.deepEqual(JSON.parse(theirs), JSON.parse(mine));
  const [member] = await restored(t, dir, forEtcd, ['default']);
  assert.deepEqual(await viewOf(member!.endpoint), before);

  await writeHistory(member!.endpoint, 'second');
  const there = await viewOf(member!.endpoint);
  const saved = join(dir, 'saved.db');
  await etcdctl(`--endpoints=${member!.endpoint}`, 'snapshot', 'save', saved);
  await store('migrate', '--from', saved, '--to', 'embedded', '--output', join(dir, 'back'));
  const back = await ours(t, join(dir, 'back'));
  assert.deepEqual(await viewOf(back.endpoint), there);

  // The same from the files of the member, once it is stopped.
  const fromFiles = ['migrate', '--from', member!.dataDir, '--to', 'embedded', '--output', join(dir, 'files')];
  await assert.rejects(store(...fromFiles), /is in use: stop that etcd/);
  await ended(member!.child, 'SIGTERM');
  await store(...fromFiles);
  const files = await ours(t, join(dir, 'files'));
  assert.deepEqual(await viewOf(files.endpoint), there);
  await writeHistory(files.endpoint, 'third');
  const { revision } = await viewOf(files.endpoint);
  assert.ok(revision > there.revision);
});

test('migrate: to three members: each has it all, and together they go on', { skip }, async (t) => {
  const dir = directory(t);
  const source = await ours(t);
  await writeHistory(source.endpoint, 'first');
  const before = await viewOf(source.endpoint);
  const saved = join(dir, 'saved.db');
  await store('snapshot', 'save', saved, '--endpoints', source.endpoint);
  const forEtcd = join(dir, 'for-etcd.db');
  await store('migrate', '--from', saved, '--to', 'etcd-snapshot', '--output', forEtcd);
  const members = await restored(t, dir, forEtcd, ['one', 'two', 'three']);
  for (const { endpoint } of members) assert.deepEqual(await viewOf(endpoint), before);
  await withClient(members[0]!.endpoint, (client) => client.put({ key: Buffer.from('x'), value: Buffer.from('y') }));
  for (const { endpoint } of members) assert.equal((await viewOf(endpoint)).revision, before.revision + 1);
});

test('migrate: with bumped revisions: etcd goes on beyond, and has compacted all before', { skip }, async (t) => {
  const dir = directory(t);
  const source = await ours(t);
  await writeHistory(source.endpoint, 'first');
  const before = await viewOf(source.endpoint);
  await source.end('SIGKILL');
  const forEtcd = join(dir, 'for-etcd.db');
  const bump = ['--bump-revision', '5000', '--mark-compacted'];
  await store('migrate', '--from', source.dataDir, '--to', 'etcd-snapshot', '--output', forEtcd, ...bump);
  const [member] = await restored(t, dir, forEtcd, ['default']);
  const after = await viewOf(member!.endpoint);
  assert.equal(after.revision, before.revision + 5000);
  assert.deepEqual([after.compactRevision, after.events], [after.revision, []]);
  assert.deepEqual(after.states[after.revision], before.states[before.revision]);
  // And so it is still after another start, and when it comes back to us.
  const saved = join(dir, 'saved.db');
  await etcdctl(`--endpoints=${member!.endpoint}`, 'snapshot', 'save', saved);
  await store('snapshot', 'restore', saved, '--data-dir', join(dir, 'back'));
  const back = await ours(t, join(dir, 'back'));
  assert.deepEqual(await viewOf(back.endpoint), after);
});

test('snapshot: saved from us by etcdctl, from etcd by us: both are restored', { skip }, async (t) => {
  const dir = directory(t);
  const source = await ours(t);
  await writeHistory(source.endpoint, 'first');
  const before = await viewOf(source.endpoint);
  const [byEtcdctl, forEtcd, byUs] = ['a.db', 'b.db', 'c.db'].map((name) => join(dir, name)) as [
    string,
    string,
    string,
  ];
  await etcdctl(`--endpoints=${source.endpoint}`, 'snapshot', 'save', byEtcdctl);
  await store('migrate', '--from', byEtcdctl, '--to', 'etcd-snapshot', '--output', forEtcd);
  const [member] = await restored(t, dir, forEtcd, ['default']);
  await store('snapshot', 'save', byUs, '--endpoints', member!.endpoint);
  assert.deepEqual(
    JSON.parse(await etcdctl('snapshot', 'status', byUs, '-w=json')),
    JSON.parse(await store('snapshot', 'status', byUs, '-o', 'json')),
  );
  for (const [i, file] of [byEtcdctl, byUs].entries()) {
    await store('snapshot', 'restore', file, '--data-dir', join(dir, String(i)));
    const etcd = await ours(t, join(dir, String(i)));
    assert.deepEqual(await viewOf(etcd.endpoint), before);
  }
});

test('migrate: a large store: bbolt itself finds nothing wrong, and etcd serves it', { skip }, async (t) => {
  const dir = directory(t);
  const database = openDatabase(join(dir, 'data'), () => 1n, noClock);
  const [keys, revisions] = [30_000, 40_000];
  database.begin();
  for (let i = 0; i < revisions; i++) {
    const version = i < keys ? 1 : 2;
    const createRevision = (i % keys) + 2;
    const value = Buffer.alloc(i % 2000 === 0 ? 1_200_000 : i % 500, i & 0xff);
    const key = Buffer.from(`/registry/configmaps/default/${String(i % keys).padStart(8, '0')}`);
    database.insert({ main: i + 2, sub: 0, key, value, createRevision, version, lease: 0n });
  }
  for (let id = 1n; id <= 2000n; id++) database.putLease(id, 3600);
  database.commit();
  database.close();
  const forEtcd = join(dir, 'for-etcd.db');
  await store('migrate', '--from', join(dir, 'data'), '--to', 'etcd-snapshot', '--output', forEtcd);
  const mine = JSON.parse(await store('snapshot', 'status', forEtcd, '-o', 'json'));
  assert.deepEqual(JSON.parse(await etcdctl('snapshot', 'status', forEtcd, '-w=json')), mine);
  assert.equal(mine.revision, revisions + 1);
  const [member] = await restored(t, dir, forEtcd, ['default']);
  await withClient(member!.endpoint, async (client) => {
    const all = { key: Buffer.from([0]), rangeEnd: Buffer.from([0]), countOnly: true };
    assert.equal((await client.range(all)).count, keys);
    assert.equal((await client.range({ ...all, revision: 1001 })).count, 1000);
    assert.equal((await client.leaseLeases()).length, 2000);
    const key = Buffer.from('/registry/configmaps/default/00002000');
    const [kv] = (await client.range({ key })).kvs;
    assert.deepEqual(
      [kv!.version, kv!.createRevision, kv!.modRevision, kv!.value.length],
      [2, 2002, 32_002, 1_200_000],
    );
  });
});
