import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Entry } from '../etcd3/entry.ts';
import { CacheEvent, EventRing } from './event-ring.ts';

const event = (revision: number, at: number, key = `k${revision}`) =>
  new CacheEvent('ADDED', key, revision, new Entry(key, revision, Buffer.alloc(0), undefined, {}), undefined, at);
const minutes = (n: number) => n * 60_000;

test('event ring: full of old events: forgets the oldest, and says so', () => {
  const ring = new EventRing(16);
  ring.reset(100);
  assert.deepEqual([ring.low, ring.lastRevision], [100, 100]);
  for (let i = 1; i <= 20; i++) ring.push(event(100 + i, minutes(i * 2)));
  assert.deepEqual([ring.size, ring.capacity, ring.low, ring.lastRevision], [16, 16, 104, 120]);
  assert.equal(ring.at(0).revision, 105);
});

test('event ring: full of fresh events: grows', () => {
  const ring = new EventRing(16);
  for (let i = 1; i <= 100; i++) ring.push(event(i, i));
  assert.deepEqual([ring.size, ring.capacity, ring.low], [100, 128, 0]);
  assert.deepEqual([ring.at(0).revision, ring.at(99).revision], [1, 100]);
});

test('event ring: a transaction of many keys: is forgotten whole', () => {
  const ring = new EventRing(16);
  for (const key of ['a', 'b', 'c']) ring.push(event(1, 0, key));
  for (let i = 2; i <= 14; i++) ring.push(event(i, 0));
  ring.push(event(15, minutes(10)));
  assert.deepEqual([ring.low, ring.at(0).revision, ring.size], [1, 2, 14]);
});

test('event ring: search: the first after a revision', () => {
  const ring = new EventRing(16);
  for (const revision of [3, 3, 5, 9]) ring.push(event(revision, 0));
  assert.deepEqual(
    [0, 2, 3, 4, 5, 8, 9, 10].map((r) => ring.indexAfter(r)),
    [0, 0, 2, 2, 3, 3, 4, 4],
  );
});
