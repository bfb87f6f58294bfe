import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simulateElection } from './testing/election-simulation.ts';

const base = { candidates: 3, durationMs: 180_000, failures: 0.1, delayMsMax: 1_500, drift: 0.05, freezes: 0 };

for (let seed = 1; seed <= 6; seed++) {
  test(`client: election simulation: delays, losses, drift: never two leaders, mostly one (seed ${seed})`, async () => {
    const result = await simulateElection({ ...base, seed });
    assert.deepEqual(result.violations, []);
    assert.ok(result.terms >= 1);
    assert.ok(result.ledShare > 0.5, `led for ${result.ledShare} of the time`);
  });
}

for (let seed = 1; seed <= 6; seed++) {
  test(`client: election simulation: frozen processes: never two leaders (seed ${seed})`, async () => {
    const result = await simulateElection({ ...base, seed, freezes: 0.01 });
    assert.deepEqual(result.violations, []);
    assert.ok(result.terms >= 1);
  });
}

test('client: election simulation: the checker: sees two leaders when terms are longer than promised', async () => {
  const result = await simulateElection({ ...base, seed: 1, failures: 0.5, sabotage: true });
  assert.notDeepEqual(result.violations, []);
});
