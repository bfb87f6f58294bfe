/** The simulation itself under test: what is planted is found, and soon. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plantedBugs } from './planted-bugs.ts';
import { runSeed } from './run-seed.ts';

const seedsMax = 150;

for (const [name, plant] of Object.entries(plantedBugs)) {
  test(`simulation: planted: ${name}: is found`, async (t) => {
    for (let seed = 1; seed <= seedsMax; seed++) {
      const { violations } = await runSeed(seed, { sabotage: plant() });
      if (violations.length === 0) continue;
      t.diagnostic(`seed ${seed}: ${violations[0]!.what}`);
      return;
    }
    assert.fail(`not found in ${seedsMax} seeds`);
  });
}
