import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Entry } from '../etcd3/entry.ts';
import { CacheEvent, EventRing } from './event-ring.ts';

const event = (revision: number, at: number, key = `k${revision}`) =>
  new CacheEvent('ADDED', key, revision, new Entry(key, revision, Buffer.alloc(0), undefined, {}), undefined, at);
const minutes = (n: number) => n * 60_000;
const counters = () => ({ capacityIncreases: 0, capacityDecreases: 0 });

test('event ring: full of old events: forgets the oldest, and says so', () => {
  const ring = new EventRing(16, counters());
  ring.reset(100);
  assert.deepEqual([ring.low, ring.lastRevision], [100, 100]);
  for (let i = 1; i <= 20; i++) ring.push(event(100 + i, minutes(i * 2)));
  assert.deepEqual([ring.size, ring.capacity, ring.low, ring.lastRevision], [16, 16, 104, 120]);
  assert.equal(ring.at(0).revision, 105);
});

test('event ring: full of fresh events: grows', () => {
  const ring = new EventRing(16, counters());
  for (let i = 1; i <= 100; i++) ring.push(event(i, i));
  assert.deepEqual([ring.size, ring.capacity, ring.low], [100, 128, 0]);
  assert.deepEqual([ring.at(0).revision, ring.at(99).revision], [1, 100]);
});

test('event ring: a transaction of many keys: is forgotten whole', () => {
  const ring = new EventRing(16, counters());
  for (const key of ['a', 'b', 'c']) ring.push(event(1, 0, key));
  for (let i = 2; i <= 14; i++) ring.push(event(i, 0));
  ring.push(event(15, minutes(10)));
  assert.deepEqual([ring.low, ring.at(0).revision, ring.size], [1, 2, 14]);
});

test('event ring: search: the first after a revision', () => {
  const ring = new EventRing(16, counters());
  for (const revision of [3, 3, 5, 9]) ring.push(event(revision, 0));
  assert.deepEqual(
    [0, 2, 3, 4, 5, 8, 9, 10].map((r) => ring.indexAfter(r)),
    [0, 0, 2, 2, 3, 3, 4, 4],
  );
});

test('event ring: after a burst: gives its room back, keeping what is fresh, and never below where it began', () => {
  const counted = counters();
  const ring = new EventRing(16, counted);
  let revision = 0;
  const push = (at: number) => ring.push(event(++revision, at));
  for (let i = 0; i < 1000; i++) push(0);
  assert.deepEqual([ring.capacity, counted.capacityIncreases], [1024, 6]);
  for (let i = 0; i < 500; i++) push(minutes(2));
  assert.equal(ring.capacity, 512, 'the burst is old, and no more was needed');
  ring.settle(minutes(2));
  assert.equal(ring.capacity, 512, 'it is full of fresh events');
  for (let i = 0; i < 100; i++) push(minutes(4));
  ring.settle(minutes(4));
  assert.equal(ring.capacity, 128);
  assert.ok(ring.size >= 100);
  assert.deepEqual([ring.lastRevision, ring.low], [1600, 1600 - ring.size]);
  assert.deepEqual(
    Array.from({ length: ring.size }, (_, i) => ring.at(i).revision),
    Array.from({ length: ring.size }, (_, i) => ring.low + 1 + i),
  );
  ring.settle(minutes(60));
  assert.deepEqual([ring.capacity, ring.size, ring.low], [16, 16, 1584]);
  assert.equal(counted.capacityDecreases, counted.capacityIncreases, 'it is where it began');
});

test('event ring: a steady load after a burst: shrinks by its own events', () => {
  const ring = new EventRing(16, counters());
  for (let i = 1; i <= 2000; i++) ring.push(event(i, 0));
  assert.equal(ring.capacity, 2048);
  for (let i = 1; i <= 3000; i++) ring.push(event(2000 + i, i * 1000));
  assert.ok(ring.capacity <= 512, `${ring.capacity}`);
  assert.ok(ring.at(0).at <= 3_000_000 - 75_000, 'and still holds the last 75 s');
});
