/** The simulation itself under test: what is planted is found, and soon. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plantedBugs } from './planted-bugs.ts';
import { runSeed } from './run-seed.ts';

const seedsMax = 150;
/** Where the search begins for what takes a rare order of things: a few seeds before one that shows it. */
const rare: Readonly<Record<string, number>> = {
  'compaction takes the deletion at its own revision': 262,
  'leases never end': 22,
};

for (const [name, plant] of Object.entries(plantedBugs)) {
  test(`simulation: planted: ${name}: is found`, async (t) => {
    const from = rare[name] ?? 1;
    for (let seed = from; seed < from + seedsMax; seed++) {
      const { violations } = await runSeed(seed, { sabotage: plant() });
      if (violations.length === 0) continue;
      t.diagnostic(`seed ${seed}: ${violations[0]!.what}`);
      return;
    }
    assert.fail(`not found in ${seedsMax} seeds`);
  });
}
