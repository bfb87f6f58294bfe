/** A watch that asks for the newest state is given it, also where the cache is behind and cannot ask how far. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeEtcd } from '../testing/fake-etcd.ts';
import { eventually, everything, keyOf, map, maps, Recorder, startBackend } from '../testing/fixtures.ts';

test('watch with initial events: cache behind, no progress to be had: the state is the store’s, events follow it', async () => {
  const etcd = new FakeEtcd();
  etcd.serverVersion = '3.4.23';
  const backend = startBackend(etcd);
  const storage = backend.resource(maps);
  await eventually(() => backend.synced(), 'synced');
  await storage.create(keyOf('old'), map('old'));
  await eventually(() => storage.count() === 1, 'the first event');
  etcd.isWatchHeld = true;
  etcd.put(keyOf('unseen'), JSON.stringify(map('unseen')));
  const newest = etcd.put(keyOf('old'), JSON.stringify(map('old', { n: '2' })));

  const recorder = new Recorder();
  await storage.watch(everything({ sendInitialEvents: true, allowBookmarks: true }), recorder);
  await eventually(() => recorder.lines.includes('INITIAL-END'), 'the initial state');
  assert.deepEqual(recorder.lines, ['ADDED old', 'ADDED unseen', 'INITIAL-END']);
  assert.equal(recorder.seen.at(-1)!.revision, newest);

  etcd.put(keyOf('later'), JSON.stringify(map('later')));
  etcd.delete(keyOf('unseen'));
  etcd.releaseWatch();
  await eventually(() => recorder.seen.length === 5, 'what came after');
  assert.deepEqual(recorder.lines.slice(3), ['ADDED later', 'DELETED unseen']);
  await backend.stop();
});
