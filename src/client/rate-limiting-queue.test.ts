import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '#base/log.ts';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { createWorkQueue } from './rate-limiting-queue.ts';

function setUp() {
  const clock = new FakeClock();
  const queue = createWorkQueue({ name: 'test', clock, log: silentLogger });
  return { clock, queue, stop: new AbortController() };
}

test('client: work queue: a key in work: added meanwhile, it comes once more, never twice at a time', async () => {
  const { clock, queue, stop } = setUp();
  const calls: string[] = [];
  let finish = () => {};
  const done = queue.process(
    4,
    (key) => {
      calls.push(key);
      return new Promise<void>((resolve) => {
        finish = resolve;
      });
    },
    stop.signal,
  );
  queue.add('a');
  queue.add('a');
  queue.add('a');
  await clock.advance(0);
  assert.deepEqual(calls, ['a']);
  finish();
  await clock.advance(0);
  assert.deepEqual(calls, ['a', 'a']);
  stop.abort();
  finish();
  await done;
});

test('client: work queue: failures: come back after 5 ms, doubling, until forgotten by a success', async () => {
  const { clock, queue, stop } = setUp();
  const at: number[] = [];
  const done = queue.process(
    1,
    async () => {
      at.push(clock.monotonic());
      if (at.length < 4) throw new Error('not yet');
    },
    stop.signal,
  );
  queue.add('a');
  await clock.advance(1000);
  assert.deepEqual(at, [0, 5, 15, 35]);
  queue.addRateLimited('a');
  await clock.advance(1000);
  assert.equal(at[4], 1005);
  stop.abort();
  await done;
});

test('client: work queue: later: the earliest time wins, a number asks for one, the end cancels all', async () => {
  const { clock, queue, stop } = setUp();
  const at: number[] = [];
  const done = queue.process(
    1,
    async () => {
      at.push(clock.monotonic());
      return at.length === 1 ? 100 : undefined;
    },
    stop.signal,
  );
  queue.addAfter('a', 50);
  queue.addAfter('a', 20);
  queue.addAfter('a', 70);
  await clock.advance(1000);
  assert.deepEqual(at, [20, 120]);
  queue.addAfter('b', 10);
  stop.abort();
  await done;
  assert.equal(clock.pendingTimers, 0);
});

test('client: work queue: workers: no more at once than asked, the rest wait in order', async () => {
  const { clock, queue, stop } = setUp();
  const started: string[] = [];
  const finishers: (() => void)[] = [];
  const done = queue.process(
    2,
    (key) => {
      started.push(key);
      return new Promise<void>((resolve) => finishers.push(resolve));
    },
    stop.signal,
  );
  for (const key of ['a', 'b', 'c', 'd']) queue.add(key);
  await clock.advance(0);
  assert.deepEqual(started, ['a', 'b']);
  assert.equal(queue.length, 2);
  finishers[1]!();
  await clock.advance(0);
  assert.deepEqual(started, ['a', 'b', 'c']);
  stop.abort();
  for (const finish of finishers) finish();
  await done;
  assert.deepEqual(started, ['a', 'b', 'c']);
});
