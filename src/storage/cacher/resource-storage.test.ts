import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { FakeEtcd } from '../testing/fake-etcd.ts';
import { eventually, everything, keyOf, map, maps, nameOf, Recorder, startBackend } from '../testing/fixtures.ts';

async function started(context: TestContext, ringCapacity: number) {
  const etcd = new FakeEtcd();
  for (const name of ['a', 'b', 'c']) etcd.put(keyOf(name), JSON.stringify(map(name, {}, { is: name })));
  const backend = startBackend(etcd, { watchCacheSizes: new Map([[maps.prefix, ringCapacity]]) });
  context.after(() => backend.stop());
  const storage = backend.resource(maps);
  await eventually(() => backend.synced(), 'synced');
  return { etcd, storage, counters: storage.statistics().counters };
}

test('storage: a watch cache of size 0: every read asks the store, watches work', async (context) => {
  const { etcd, storage, counters } = await started(context, 0);
  const recorder = new Recorder();
  await storage.watch(everything({ revision: etcd.revision }), recorder);
  let ranges = etcd.ranges;
  const asksTheStore = async (read: () => Promise<unknown>) => {
    await read();
    assert.ok(etcd.ranges > ranges);
    ranges = etcd.ranges;
  };
  await asksTheStore(() => storage.get(keyOf('a'), { revision: 0 }));
  await asksTheStore(() => storage.list({ prefix: maps.prefix, revision: 0 }));
  await asksTheStore(() => storage.list({ prefix: maps.prefix, revision: etcd.revision, match: 'Exact' }));
  const page = await storage.list({ prefix: maps.prefix, limit: 2 });
  ranges = etcd.ranges;
  await asksTheStore(() => storage.list({ prefix: maps.prefix, limit: 2, continueToken: page.continueToken! }));
  assert.equal(counters.cacheLists, 0);
  assert.equal(counters.storeLists, 4);
  etcd.put(keyOf('d'), JSON.stringify(map('d')));
  await eventually(() => recorder.seen.length === 1, 'the event');
});

test('storage: counters: what is listed from the cache, waited for, and received', async (context) => {
  const { etcd, storage, counters } = await started(context, 100);
  const filter = (entry: { labels?: Readonly<Record<string, string>> | undefined }) => entry.labels?.['is'] === 'b';
  const { entries } = await storage.list({ prefix: maps.prefix, filter });
  assert.deepEqual(entries.map(nameOf), ['b']);
  assert.deepEqual([counters.cacheLists, counters.cacheListsFetched, counters.cacheListsReturned], [1, 3, 1]);
  assert.deepEqual(counters.consistentReads, { cache: 1, store: 0, failed: 0 });
  assert.equal(counters.readWait.count, 1);
  const received = counters.eventsReceived;
  await storage.create(keyOf('d'), map('d'));
  await storage.list({ prefix: maps.prefix });
  assert.deepEqual([counters.eventsReceived, counters.eventsDispatched], [received + 1, received + 1]);
  etcd.goDown();
  await assert.rejects(storage.list({ prefix: maps.prefix }));
  assert.equal(counters.consistentReads.failed, 1);
});

test('storage: a watcher that does not keep up: is ended, and counted; one that stops is not', async (context) => {
  const { etcd, storage, counters } = await started(context, 100);
  const [slow, quick] = [new Recorder(), new Recorder()];
  slow.room = 2;
  await storage.watch(everything({ revision: etcd.revision }), slow);
  const handle = await storage.watch(everything({ revision: etcd.revision }), quick);
  await new Promise((resolve) => setImmediate(resolve));
  for (const name of ['x', 'y', 'z']) etcd.put(keyOf(name), JSON.stringify(map(name)));
  await eventually(() => quick.seen.length === 3, 'the quick one has all');
  assert.equal(slow.seen.length, 2);
  assert.deepEqual(slow.ended, { error: undefined });
  handle.stop();
  assert.equal(counters.terminatedWatchers, 1);
});
