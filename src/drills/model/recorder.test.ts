/** Recorder and checker together, over a store in memory that has one fault or none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { realClock } from '#os/real-clock.ts';
import { check, verdictText } from './checker.ts';
import type { History } from './history.ts';
import { record } from './recorder.ts';
import { type Fault, faults, MemoryTarget } from './testing/memory-target.ts';

/** Until so many operations were done: as long as that takes. */
const enough = 600;

async function recordSome(target: MemoryTarget, settleMs?: number): Promise<History> {
  const over = new AbortController();
  let done = 0;
  const counted = Object.assign(Object.create(target) as MemoryTarget, {
    perform: (...args: Parameters<MemoryTarget['perform']>) => {
      if (++done === enough) over.abort();
      return target.perform(...args);
    },
    watch: (...args: Parameters<MemoryTarget['watch']>) => target.watch(...args),
    close() {},
  });
  const options = {
    target: counted,
    seed: 5,
    clock: realClock,
    pauseMs: 0,
    patienceMs: 5,
    ...(settleMs && { settleMs }),
  };
  return record(options, over.signal);
}

test('recorder: a store that is right: nothing to say', async () => {
  const target = new MemoryTarget();
  const verdict = check(await recordSome(target), { truth: target.truth() });
  assert.ok(verdict.isConsistent, verdictText(verdict));
  const { operations, events, bookmarks } = verdict.counts;
  assert.ok(operations >= enough && events > 100 && bookmarks > 10, verdictText(verdict));
});

for (const [fault, rule] of Object.entries(faults)) {
  test(`recorder: a store that ${fault}: is found out`, async () => {
    const target = new MemoryTarget(fault as Fault);
    const isSilent = fault === 'falls silent';
    // A watch that missed the last writes is not waited for long.
    const history = await recordSome(target, 300);
    const verdict = check(history, { truth: target.truth(), ...(isSilent && { silenceMax: 100 }) });
    const rules = verdict.violations.map((v) => v.rule);
    assert.ok(rules.includes(rule), verdictText(verdict));
  });
}

test('recorder: a seed: asks for the same things', async () => {
  const asked = async () => {
    const { operations } = await recordSome(new MemoryTarget());
    return operations
      .filter((o) => o.client === 'client0')
      .slice(0, 3)
      .map((o) => o.operation.type);
  };
  assert.deepEqual(await asked(), await asked());
});
