import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeEtcd } from '../testing/fake-etcd.ts';
import { eventually, keyOf, map, maps, startBackend } from '../testing/fixtures.ts';

test('deletion: its answer lost, the cache behind: an earlier deletion of an earlier object is not taken for it', async () => {
  const etcd = new FakeEtcd();
  const backend = startBackend(etcd);
  const storage = backend.resource(maps);
  await eventually(() => backend.synced(), 'synced');
  await storage.create(keyOf('x'), map('x', { n: '1' }));
  await eventually(() => storage.count() === 1, 'the first event');
  etcd.isWatchHeld = true;
  etcd.delete(keyOf('x'));
  etcd.put(keyOf('x'), JSON.stringify(map('x', { n: '2' })));
  etcd.faults = () => {
    etcd.faults = () => undefined;
    setImmediate(() => etcd.releaseWatch());
    return 'lostBefore';
  };
  const deleted = await storage.guaranteedUpdate(keyOf('x'), () => undefined);
  assert.equal((deleted!.object() as unknown as { data: object }).data['n' as never], '2');
  assert.equal((await etcd.range({ key: keyOf('x') })).kvs.length, 0);
  await backend.stop();
});
