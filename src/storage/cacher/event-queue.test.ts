import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/testing/fake-clock.ts';
import type { KvEvent } from '../etcd3/kv.ts';
import { EventQueue } from './event-queue.ts';

const event = (modRevision: number): KvEvent => ({
  type: 'put',
  kv: { key: `k${modRevision}`, value: Buffer.alloc(0), createRevision: modRevision, modRevision, version: 1 },
});

/** A clock on which every look costs a millisecond. */
class SlowClock extends FakeClock {
  #looks = 0;
  override monotonic(): number {
    return this.#looks++ * 5;
  }
}

test('event queue: a burst: others get a turn, whole revisions, in order', async () => {
  const told: string[] = [];
  const queue = new EventQueue(
    new SlowClock(),
    (e) => told.push(`e${e.kv.modRevision}`),
    (revision) => told.push(`r${revision}`),
  );
  const revisions = Array.from({ length: 200 }, (_, i) => 2 + Math.floor(i / 2));
  queue.pushEvents(revisions.map(event));
  queue.pushProgress(500);
  const atOnce = told.length;
  assert.ok(atOnce > 0 && atOnce < 301, `told at once: ${atOnce}`);
  while (told.length < 301) await new Promise((resolve) => setImmediate(resolve));
  const expected = Array.from({ length: 100 }, (_, i) => [`e${i + 2}`, `e${i + 2}`, `r${i + 2}`]).flat();
  assert.deepEqual(told, [...expected, 'r500']);
});

test('event queue: cleared: tells no more', async () => {
  let told = 0;
  const queue = new EventQueue(
    new SlowClock(),
    () => told++,
    () => {},
  );
  queue.pushEvents(Array.from({ length: 1000 }, (_, i) => event(i + 2)));
  const before = told;
  queue.clear();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(told, before);
});
