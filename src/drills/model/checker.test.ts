import assert from 'node:assert/strict';
import { test } from 'node:test';
import { check, verdictText } from './checker.ts';
import { SeededRandom } from './random.ts';
import { Draft, silenceMax } from './testing/draft.ts';
import { correctHistory } from './testing/model-store.ts';
import { plantedBugs } from './testing/planted-bugs.ts';

const styles = ['etcd', 'kubernetes'] as const;
const isOurs = (key: string) => key.startsWith('maps/');

for (const style of styles) {
  test(`checker: correct histories: ${style}: never an alarm`, () => {
    for (let seed = 1; seed <= 300; seed++) {
      const { history, truth } = correctHistory({ seed, style, steps: 100 + (seed % 10) * 60 });
      const verdict = check(history, { truth, isOurs });
      assert.ok(verdict.isConsistent, `seed ${seed}\n${verdictText(verdict)}`);
    }
  });
}

/** In small histories of both kinds and in a large one: wherever the bug has a place, it is found by its name. */
const soil = [
  ...styles.flatMap((style) => Array.from({ length: 16 }, (_, i) => ({ style, seed: i + 1, steps: 300 + 60 * i }))),
  ...styles.map((style) => ({ style, seed: 99, steps: 6000 })),
].map((options) => ({ ...options, recorded: correctHistory(options) }));

for (const bug of plantedBugs) {
  test(`checker: planted: ${bug.name}`, () => {
    let planted = 0;
    for (const { style, seed, recorded } of soil) {
      const draft = new Draft(recorded, new SeededRandom(seed));
      if (!bug.plant(draft)) continue;
      planted++;
      const { history, truth } = draft;
      const verdict = check(history, { truth, isOurs, silenceMax });
      const rules = verdict.violations.map((v) => v.rule);
      assert.ok(
        bug.rules.some((rule) => rules.includes(rule)),
        `not seen: ${style}, seed ${seed}: ${verdictText(verdict)}`,
      );
    }
    assert.ok(planted >= 5, `planted only ${planted} times`);
  });
}

test('checker: planted: there are enough of them, and each is another', () => {
  assert.ok(plantedBugs.length >= 20);
  assert.equal(new Set(plantedBugs.map((bug) => bug.name)).size, plantedBugs.length);
});
