import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { FakeEtcd } from '../testing/fake-etcd.ts';
import { codecFor, everything, keyOf, map, maps, Recorder, startBackend } from '../testing/fixtures.ts';

test('bookmarks: about once a minute and before the end, with the progress of the whole store', async () => {
  const etcd = new FakeEtcd();
  const clock = new FakeClock();
  const backend = startBackend(etcd, { clock, random: () => 0.5 });
  const configMaps = backend.resource(maps);
  const secrets = backend.resource(codecFor('/registry/secrets/'));
  await clock.advance(100);
  assert.ok(backend.synced());
  const recorder = new Recorder();
  const silent = new Recorder();
  const options = everything({ revision: etcd.revision, timeoutSeconds: 90 });
  const watch = await configMaps.watch({ ...options, allowBookmarks: true }, recorder);
  await configMaps.watch(options, silent);
  const first = await configMaps.create(keyOf('x'), map('x'));
  const elsewhere = await secrets.create('/registry/secrets/default/s', map('s'));
  await clock.advance(61_000);
  await clock.advance(28_000);
  assert.deepEqual(recorder.lines, ['ADDED x', 'BOOKMARK', 'BOOKMARK']);
  assert.deepEqual(
    recorder.seen.map((s) => s.revision),
    [first!.revision, elsewhere!.revision, elsewhere!.revision],
  );
  assert.deepEqual(silent.lines, ['ADDED x']);
  watch.stop();
  await clock.advance(120_000);
  assert.equal(recorder.seen.length, 3);
  await backend.stop();
  assert.equal(clock.pendingTimers, 0, 'nothing is left ticking');
});
