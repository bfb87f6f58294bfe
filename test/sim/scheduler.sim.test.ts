import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimProcess } from './process.ts';
import { Random } from './random.ts';
import { withoutRealWorld } from './real-world.ts';
import { Scheduler } from './scheduler.ts';

const processOf = (scheduler: Scheduler, name: string) => new SimProcess(name, scheduler, new Random(1, name));
const never = () => false;

test('scheduler: lanes: order is kept within one, and is chance between two', async () => {
  const orders = new Set<string>();
  for (let seed = 0; seed < 40; seed++) {
    const scheduler = new Scheduler(seed);
    const process = processOf(scheduler, 'p');
    const [a, b] = [process.lane('a'), process.lane('b')];
    const seen: string[] = [];
    for (let i = 0; i < 3; i++) {
      scheduler.after(5, a, () => seen.push(`a${i}`));
      scheduler.after(5, b, () => seen.push(`b${i}`));
    }
    await scheduler.run(never);
    assert.deepEqual([seen.filter((s) => s[0] === 'a'), seen.filter((s) => s[0] === 'b')].flat(), [
      ...['a0', 'a1', 'a2'],
      ...['b0', 'b1', 'b2'],
    ]);
    orders.add(seen.join());
  }
  assert.ok(orders.size > 10, `${orders.size} orders`);
});

test('scheduler: time: moves only when nothing is left to do, and timers fire in its order', async () => {
  const scheduler = new Scheduler(1);
  const { clock } = processOf(scheduler, 'p');
  const seen: number[] = [];
  for (const delay of [300, 20, 100]) clock.setTimer(delay, () => seen.push(scheduler.now));
  clock.setTimer(50, () => clock.soon(() => seen.push(scheduler.now)));
  clock.setTimer(60, () => seen.push(-1)).cancel();
  await scheduler.run(never);
  assert.deepEqual(seen, [20, 50, 100, 300]);
});

test('scheduler: steps: promise reactions run to their end between two', async () => {
  const scheduler = new Scheduler(1);
  const { clock } = processOf(scheduler, 'p');
  const seen: string[] = [];
  clock.soon(async () => {
    for (let i = 0; i < 100; i++) await undefined;
    seen.push('reactions');
  });
  clock.soon(() => seen.push('next'));
  await scheduler.run(never);
  assert.deepEqual(seen, ['reactions', 'next']);
});

test('process: paused, its turns and timers wait; dead, they never come', async () => {
  const scheduler = new Scheduler(1);
  const [paused, dead, other] = ['paused', 'dead', 'other'].map((name) => processOf(scheduler, name));
  const seen: string[] = [];
  for (const process of [paused!, dead!]) {
    process.clock.soon(() => seen.push(`${process.name} turn`));
    process.clock.setTimer(10, () => seen.push(`${process.name} timer at ${scheduler.now}`));
  }
  paused!.pause();
  dead!.kill();
  other!.clock.setTimer(50, () => paused!.resume());
  await scheduler.run(never);
  assert.deepEqual(seen.sort(), ['paused timer at 50', 'paused turn']);
});

test('real world: whoever asks for it is named', async () => {
  const touched: string[] = [];
  await withoutRealWorld(
    (name) => touched.push(name),
    async () => {
      const asks = [() => Date.now(), () => Math.random(), () => crypto.randomUUID(), () => performance.now()];
      for (const ask of [...asks, () => setTimeout(() => {}, 1), () => setImmediate(() => {})]) {
        assert.throws(ask, /the simulated world has no/);
      }
      const { randomBytes } = await import('node:crypto');
      assert.throws(() => randomBytes(8), /the simulated world has no/);
    },
  );
  assert.deepEqual(touched, ['now', 'random', 'randomUUID', 'now', 'setTimeout', 'setImmediate', 'randomBytes']);
});
