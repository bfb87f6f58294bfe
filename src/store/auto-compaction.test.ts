import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { silentLogger } from '#base/log.ts';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { type AutoCompaction, startAutoCompaction } from './auto-compaction.ts';
import { errors } from './store-error.ts';

const minute = 60_000;
const hour = 60 * minute;

/** A store whose revision is the number of minutes since the start, plus one. */
function run(t: TestContext, compaction: AutoCompaction) {
  const clock = new FakeClock();
  const compacted: string[] = [];
  const store = {
    get revision() {
      return 1 + Math.floor(clock.monotonic() / minute);
    },
    compactRevision: 0,
    isRefusing: false,
    async compact(revision: number) {
      const at = `${revision} at ${clock.monotonic() / minute}`;
      compacted.push(store.isRefusing ? `${at} refused` : at);
      if (store.isRefusing) throw errors.tooManyRequests();
      store.compactRevision = revision;
    },
  };
  const { stop } = startAutoCompaction(store, compaction, clock, silentLogger);
  t.after(stop);
  return { clock, store, compacted, stop };
}

test('auto-compaction: periodic: within the hour: each retention, at the revision of one retention before', async (t) => {
  const { clock, compacted } = run(t, { mode: 'periodic', retentionMs: 30 * minute });
  await clock.advance(29 * minute);
  assert.deepEqual(compacted, []);
  await clock.advance(minute);
  assert.deepEqual(compacted, ['1 at 30']);
  await clock.advance(60 * minute);
  assert.deepEqual(compacted, ['1 at 30', '28 at 60', '58 at 90']);
});

test('auto-compaction: periodic: longer than an hour: every hour, once that long has passed', async (t) => {
  const { clock, compacted } = run(t, { mode: 'periodic', retentionMs: 5 * hour });
  await clock.advance(5 * hour - 1);
  assert.deepEqual(compacted, []);
  await clock.advance(1);
  assert.deepEqual(compacted, ['1 at 300']);
  await clock.advance(2 * hour);
  assert.deepEqual(compacted, ['1 at 300', '55 at 360', '115 at 420']);
});

test('auto-compaction: periodic: refused: again a tenth later', async (t) => {
  const { clock, compacted, store } = run(t, { mode: 'periodic', retentionMs: hour });
  store.isRefusing = true;
  await clock.advance(hour + 6 * minute);
  store.isRefusing = false;
  await clock.advance(6 * minute);
  assert.deepEqual(compacted, ['1 at 60 refused', '1 at 66 refused', '7 at 72']);
  await clock.advance(hour);
  assert.deepEqual(compacted.at(-1), '67 at 132');
});

test('auto-compaction: periodic: what somebody else compacted further is left', async (t) => {
  const { clock, compacted, store } = run(t, { mode: 'periodic', retentionMs: hour });
  store.compactRevision = 40;
  await clock.advance(hour);
  assert.deepEqual(compacted, []);
  await clock.advance(hour);
  assert.deepEqual(compacted, ['55 at 120']);
});

test('auto-compaction: revision: every five minutes, all but the last', async (t) => {
  const { clock, compacted, stop } = run(t, { mode: 'revision', revisions: 8 });
  await clock.advance(5 * minute);
  assert.deepEqual(compacted, [], 'there are no more than are kept');
  await clock.advance(10 * minute);
  assert.deepEqual(compacted, ['3 at 10', '8 at 15']);
  stop();
  await clock.advance(hour);
  assert.equal(compacted.length, 2);
});
