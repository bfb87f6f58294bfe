/**
 * A short run of each scenario; `node test/consistency/run.ts` does longer ones. Whoever breaks a promise within a few
 * seconds is found here; the seed is printed, the faults are by chance.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verdictText } from '#drills/model/checker.ts';
import { realClock } from '#os/real-clock.ts';
import { runScenario } from './consistency.ts';
import { scenarios } from './scenarios.ts';

const seconds = 5;

for (const scenario of scenarios.filter((s) => !s.onlyByName)) {
  test(`consistency: ${scenario.title}`, { skip: scenario.skip }, async (t) => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const { verdict, faults } = await runScenario({ scenario, seed, seconds, clock: realClock });
    t.diagnostic(`seed ${seed}: ${faults.join(', ') || 'no fault'}`);
    assert.ok(verdict.isConsistent, `seed ${seed}\n${verdictText(verdict)}`);
    assert.ok(verdict.counts.operations > 0 && verdict.counts.events > 0, verdictText(verdict));
    t.diagnostic(verdictText(verdict));
  });
}
