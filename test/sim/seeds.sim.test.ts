/** A handful of what `npm run sim` does by the thousand. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makePlan } from './plan.ts';
import { plantedBugs } from './planted-bugs.ts';
import { runPlan, runSeed } from './run-seed.ts';
import { shrink, sizeOf } from './shrink.ts';

const seeds = 60;

test('simulation: seeds: everything seen is consistent, and all of it heals', async () => {
  const counts = new Set<string>();
  for (let seed = 1; seed <= seeds; seed++) {
    const result = await runSeed(seed);
    const [first] = result.violations;
    assert.equal(first, undefined, `node test/sim/run.ts --seed ${seed} --trace\n${first?.what}\n${first?.detail}`);
    assert.ok(result.operations > 100 && result.revisions > 20, `seed ${seed} did next to nothing`);
    for (const what of Object.keys(result.counts)) counts.add(what);
  }
  assert.ok(counts.size > 12, `of all that can go wrong only this did: ${[...counts]}`);
});

test('simulation: same seed, same trace; another seed, another', async () => {
  const hashes = new Set<string>();
  for (const seed of [11, 12, 13, 14]) {
    const [first, second] = [await runSeed(seed), await runSeed(seed, { keepTrace: true })];
    assert.equal(first.hash, second.hash, `seed ${seed}`);
    assert.equal(JSON.stringify(second.history), JSON.stringify(first.history));
    hashes.add(first.hash);
  }
  assert.equal(hashes.size, 4);
});

test('simulation: the real world is there again afterwards', async () => {
  const { setTimeout, setImmediate } = globalThis;
  const [now, random] = [Date.now, Math.random];
  await runSeed(1);
  assert.deepEqual([globalThis.setTimeout, globalThis.setImmediate], [setTimeout, setImmediate]);
  assert.deepEqual([Date.now, Math.random], [now, random]);
  assert.ok(Date.now() > 0 && Math.random() < 1 && crypto.randomUUID().length === 36);
});

test('simulation: shrinking: keeps the failure, and little else', async () => {
  const sabotage = plantedBugs['a write is answered before it is synced']!();
  const plan = makePlan(1);
  const what = (await runPlan(plan, { sabotage })).violations[0]!.what;
  const { plan: smaller } = await shrink(plan, what, { sabotage });
  assert.ok(sizeOf(smaller) <= 5, `${sizeOf(smaller)} of ${sizeOf(plan)} left`);
  assert.ok((await runPlan(smaller, { sabotage })).violations.some((violation) => violation.what === what));
});
