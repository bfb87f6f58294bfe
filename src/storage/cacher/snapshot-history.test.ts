import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '#base/log.ts';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { keyOf, map, maps } from '../testing/fixtures.ts';
import { ResourceCache } from './resource-cache.ts';

test('snapshots: a page keeps its state after the ring forgot it; at most eight are kept', async () => {
  const clock = new FakeClock();
  const cache = new ResourceCache(maps, { clock, log: silentLogger, ringCapacity: 16 });
  cache.beginFill();
  cache.finishFill(1);
  let revision = 1;
  const write = async () => {
    revision++;
    await clock.advance(120_000);
    const value = Buffer.from(JSON.stringify(map('x')));
    cache.apply({ type: 'put', kv: { key: keyOf('x'), value, createRevision: 2, modRevision: revision, version: 1 } });
  };
  const stateAt = (at: number) => cache.snapshotAt(at)?.get(keyOf('x'))?.revision;

  await write();
  cache.keepSnapshot(2);
  for (let i = 0; i < 30; i++) await write();
  assert.equal(stateAt(2), 2);
  assert.equal(cache.snapshotAt(3), undefined, 'not kept, and older than the ring');
  assert.equal(stateAt(20), 20, 'made by undoing');
  assert.equal(stateAt(revision), revision);
  assert.equal(cache.get(keyOf('x'))?.revision, revision, 'the live state is untouched');
  for (let i = 0; i < 8; i++) {
    await write();
    cache.keepSnapshot(revision);
  }
  assert.equal(cache.snapshotAt(2), undefined, 'made room');
});

test('snapshots: a page that is followed by no other: its state is let go', async () => {
  const cache = new ResourceCache(maps, { clock: new FakeClock(), log: silentLogger, ringCapacity: 16 });
  cache.beginFill();
  cache.finishFill(1);
  for (let i = 2; i <= 100; i++) {
    if (i === 3) cache.keepSnapshot(2);
    const value = Buffer.from(JSON.stringify(map(`x${i}`)));
    cache.apply({ type: 'put', kv: { key: keyOf(`x${i}`), value, createRevision: i, modRevision: i, version: 1 } });
  }
  cache.finishFill(100);
  cache.keepSnapshot(100);
  const value = Buffer.from(JSON.stringify(map('y')));
  cache.apply({ type: 'put', kv: { key: keyOf('y'), value, createRevision: 101, modRevision: 101, version: 1 } });
  const kept = cache.snapshotAt(100);
  cache.settle();
  assert.equal(cache.snapshotAt(100), kept, 'asked for since');
  cache.settle();
  cache.settle();
  assert.notEqual(cache.snapshotAt(100), kept, 'made anew');
});
