import assert from 'node:assert/strict';
import { test } from 'node:test';
import { check, verdictText } from './checker.ts';
import { correctHistory } from './testing/model-store.ts';

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
