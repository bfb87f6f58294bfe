import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { untilAborted, withDeadline } from './deadline.ts';

test('deadline: a request given up before it began: its failure ends no process', async () => {
  const failing = Promise.withResolvers<void>();
  // Without a handler the test runner reports the rejection, as Node would end the process.
  const waiting = untilAborted(failing.promise, AbortSignal.abort());
  await assert.rejects(waiting, { kind: 'timeout' });
  failing.reject(new Error('cancelled'));
  await new Promise((resolve) => setImmediate(resolve));
});

test('deadline: a store that does not answer: is given up, its late failure is ignored', async () => {
  const clock = new FakeClock();
  const failing = Promise.withResolvers<void>();
  const asked = withDeadline(clock, 1000, undefined, () => failing.promise);
  const refused = assert.rejects(asked, { kind: 'timeout' });
  await clock.advance(1000);
  await refused;
  failing.reject(new Error('cancelled'));
  await new Promise((resolve) => setImmediate(resolve));
});
