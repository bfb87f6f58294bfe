/** A server that has just started serves watches that broke with another one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeEtcd } from '../testing/fake-etcd.ts';
import {
  eventually,
  everything,
  keyOf,
  map,
  maps,
  nameOf,
  Recorder,
  type RunningBackend,
  startBackend,
} from '../testing/fixtures.ts';

async function started(etcd: FakeEtcd): Promise<RunningBackend> {
  const backend = startBackend(etcd);
  backend.resource(maps);
  await eventually(() => backend.synced(), 'synced');
  return backend;
}

test('start: a watch from before the start: resumes without a gap', async () => {
  const etcd = new FakeEtcd();
  const first = await started(etcd);
  const storage = first.resource(maps);
  const seen = await storage.create(keyOf('seen'), map('seen'));
  for (const name of ['a', 'b', 'c']) await storage.create(keyOf(name), map(name));
  await storage.guaranteedUpdate(keyOf('a'), () => undefined);
  first.stop();

  const second = await started(etcd);
  const recorder = new Recorder();
  await second.resource(maps).watch(everything({ revision: seen!.revision }), recorder);
  await eventually(() => recorder.seen.length === 4, 'all that happened since');
  assert.deepEqual(recorder.lines, ['ADDED a', 'ADDED b', 'ADDED c', 'DELETED a']);
  const list = await second.resource(maps).list({ prefix: maps.prefix });
  assert.deepEqual(list.entries.map(nameOf), ['b', 'c', 'seen']);
  second.stop();
});

test('start: ready only with the present, not with the past it began from', async () => {
  const etcd = new FakeEtcd();
  const first = await started(etcd);
  for (let i = 0; i < 50; i++) await first.resource(maps).create(keyOf(`x${i}`), map(`x${i}`));
  first.stop();
  const second = await started(etcd);
  const list = await second.resource(maps).list({ prefix: maps.prefix, revision: 0 });
  assert.equal(list.entries.length, 50);
  second.stop();
});

test('start: reads and watches of any age: never of the past it began from', async () => {
  const etcd = new FakeEtcd();
  const first = await started(etcd);
  const storage = first.resource(maps);
  await storage.create(keyOf('gone'), map('gone'));
  for (const name of ['a', 'b', 'c']) await storage.create(keyOf(name), map(name));
  await storage.guaranteedUpdate(keyOf('gone'), () => undefined);
  first.stop();

  etcd.isWatchHeld = true;
  const second = startBackend(etcd);
  const behind = second.resource(maps);
  await eventually(() => behind.ready(), 'the past is there');
  assert.equal(second.synced(), false);
  assert.equal(await behind.get(keyOf('gone'), { revision: 0 }), undefined);
  assert.equal((await behind.get(keyOf('c'), { revision: 0 }))?.key, keyOf('c'));
  assert.deepEqual((await behind.list({ prefix: maps.prefix, revision: 0 })).entries.map(nameOf), ['a', 'b', 'c']);
  const recorder = new Recorder();
  const watching = behind.watch(everything({ revision: 0 }), recorder);
  etcd.releaseWatch();
  await watching;
  await eventually(() => recorder.seen.length === 3, 'the initial events');
  assert.deepEqual(recorder.lines, ['ADDED a', 'ADDED b', 'ADDED c']);
  second.stop();
});

test('start: the past is compacted: begins at the present', async () => {
  const etcd = new FakeEtcd();
  const first = await started(etcd);
  const storage = first.resource(maps);
  const old = await storage.create(keyOf('old'), map('old'));
  await storage.create(keyOf('new'), map('new'));
  first.stop();
  etcd.compact(etcd.revision);

  const second = await started(etcd);
  const list = await second.resource(maps).list({ prefix: maps.prefix });
  assert.deepEqual(list.entries.map(nameOf), ['new', 'old']);
  await assert.rejects(second.resource(maps).watch(everything({ revision: old!.revision }), new Recorder()), {
    message: /too old resource version/,
  });
  second.stop();
});

test('reads of any age: after one from the store, while the cache was behind: never of less', async () => {
  const etcd = new FakeEtcd();
  const backend = startBackend(etcd, { defaultWatchCacheSize: 16 });
  const storage = backend.resource(maps);
  await eventually(() => backend.synced(), 'synced');
  await storage.create(keyOf('a'), map('a'));
  await eventually(() => storage.count() === 1, 'the first event');
  etcd.isWatchHeld = true;
  etcd.put(keyOf('b'), JSON.stringify(map('b')));
  const consistent = await storage.list({ prefix: maps.prefix });
  assert.deepEqual(consistent.entries.map(nameOf), ['a', 'b'], 'the store is asked, for the cache does not get there');
  assert.deepEqual((await storage.list({ prefix: maps.prefix, revision: 0 })).entries.map(nameOf), ['a', 'b']);
  assert.equal((await storage.get(keyOf('b'), { revision: 0 }))?.key, keyOf('b'));
  etcd.releaseWatch();
  await eventually(() => storage.count() === 2, 'the cache is there');
  assert.deepEqual((await storage.list({ prefix: maps.prefix, revision: 0 })).entries.map(nameOf), ['a', 'b']);
  await backend.stop();
});
