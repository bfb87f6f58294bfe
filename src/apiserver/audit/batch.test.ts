import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { Batch, type BatchOptions, type BatchTarget, bufferBytesMax } from './batch.ts';

function start(options: Partial<BatchOptions> = {}, target: Partial<BatchTarget> = {}) {
  const clock = new FakeClock();
  const sent: string[][] = [];
  const batch = new Batch(
    { bufferSize: 100, maxBatchSize: 3, maxBatchWaitMs: 1000, throttle: undefined, ...options },
    {
      concurrency: 1,
      takeMax: 1,
      takeBytesMax: Number.POSITIVE_INFINITY,
      gatherMs: 0,
      send: async (events) => void sent.push(events),
      ...target,
    },
    clock,
  );
  return { clock, sent, batch, add: (...events: string[]) => events.map((event) => batch.add(event)) };
}

test('audit batch: size: a full batch goes at once, the rest when it has waited', async () => {
  const { clock, sent, add } = start();
  add('a', 'b', 'c', 'd');
  await clock.advance(0);
  assert.deepEqual(sent, [['a', 'b', 'c']]);
  await clock.advance(999);
  assert.equal(sent.length, 1);
  await clock.advance(1);
  assert.deepEqual(sent[1], ['d']);
});

test('audit batch: no wait: what came together goes together, if the target can take it', async () => {
  const { clock, sent, add } = start({ maxBatchSize: 1, maxBatchWaitMs: 0 }, { takeMax: 2 });
  add('a', 'b', 'c');
  await clock.advance(0);
  await clock.advance(0);
  assert.deepEqual(sent, [['a', 'b'], ['c']]);
});

test('audit batch: gathering: what is due waits a little for more, and no longer once there is enough', async () => {
  const { clock, sent, add } = start({ maxBatchSize: 1, maxBatchWaitMs: 0 }, { takeMax: 3, gatherMs: 10 });
  add('a');
  await clock.advance(9);
  add('b');
  assert.deepEqual(sent, []);
  await clock.advance(1);
  assert.deepEqual(sent, [['a', 'b']]);
  add('c', 'd', 'e');
  await clock.advance(0);
  assert.deepEqual(sent[1], ['c', 'd', 'e']);
});

test('audit batch: bytes: no more go at once than the target takes, but one event always does', async () => {
  const { clock, sent, add } = start({ maxBatchWaitMs: 0 }, { takeBytesMax: 4 });
  add('aa', 'bb', 'cccccc', 'd');
  for (let i = 0; i < 4; i++) await clock.advance(0);
  assert.deepEqual(sent, [['aa', 'bb'], ['cccccc'], ['d']]);
});

test('audit batch: full: what is too much is refused, by number and by size', () => {
  assert.deepEqual(start({ bufferSize: 2 }).add('a', 'b', 'c'), [true, true, false]);
  const { add } = start();
  const third = 'x'.repeat(bufferBytesMax / 3);
  assert.deepEqual(add(third, third, third, third), [true, true, true, false]);
});

test('audit batch: throttle: a burst, then the rate', async () => {
  const { clock, sent, add } = start({ maxBatchSize: 1, maxBatchWaitMs: 0, throttle: { qps: 2, burst: 2 } });
  add('a', 'b', 'c', 'd');
  await clock.advance(0);
  await clock.advance(0);
  assert.equal(sent.length, 2);
  await clock.advance(499);
  assert.equal(sent.length, 2);
  await clock.advance(1);
  assert.equal(sent.length, 3);
  await clock.advance(500);
  assert.equal(sent.length, 4);
});

test('audit batch: slow target: as many under way as it takes, and no event twice', async () => {
  const underWay: (() => void)[] = [];
  const all: string[] = [];
  const { clock, add } = start(
    { maxBatchSize: 1, maxBatchWaitMs: 0 },
    {
      concurrency: 2,
      send: (events) => {
        all.push(...events);
        return new Promise((resolve) => underWay.push(resolve));
      },
    },
  );
  add('a', 'b', 'c');
  for (let i = 0; i < 3; i++) await clock.advance(0);
  assert.deepEqual(all, ['a', 'b']);
  underWay.shift()!();
  await clock.advance(0);
  await clock.advance(0);
  assert.deepEqual(all, ['a', 'b', 'c']);
});

test('audit batch: close: what waits is sent, and nothing is taken any more', async () => {
  const { clock, sent, add, batch } = start();
  add('a');
  const closed = batch.close(5000);
  await clock.advance(0);
  assert.equal(await closed, 0);
  assert.deepEqual(sent, [['a']]);
  assert.deepEqual(add('b'), [false]);
});

test('audit batch: close: a target that hangs holds it up no longer than the bound', async () => {
  const { clock, add, batch } = start({ maxBatchSize: 1 }, { send: () => new Promise(() => {}) });
  add('a', 'b', 'c');
  await clock.advance(0);
  const closed = batch.close(5000);
  await clock.advance(5000);
  assert.equal(await closed, 2);
});
