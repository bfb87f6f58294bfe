import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '#apimachinery/object.ts';
import { FakeClock } from '#base/testing/fake-clock.ts';
import type { Informer } from '#client/informer.ts';
import { Expectations } from './expectations.ts';
import { OwnWrites, ownWritesLapseMs } from './own-writes.ts';

const object = (resourceVersion: string): KubeObject => ({
  apiVersion: 'v1',
  kind: 'X',
  metadata: { name: 'x', resourceVersion },
});
const showing = (shown?: KubeObject) => ({ get: () => shown }) as unknown as Informer<KubeObject>;

test('own writes: shown when the informer has that state or a later one, or no longer what was deleted', () => {
  const writes = new OwnWrites(new FakeClock());
  assert.equal(writes.areShown('owner', showing()), true);
  writes.wrote('owner', object('9'));
  assert.equal(writes.areShown('owner', showing()), false);
  assert.equal(writes.areShown('owner', showing(object('8'))), false);
  // As numbers: as texts, 10 would come before 9.
  assert.equal(writes.areShown('owner', showing(object('10'))), true);
  writes.deleted('owner', object('10'));
  assert.equal(writes.areShown('owner', showing(object('10'))), false);
  assert.equal(writes.areShown('owner', showing()), true);
});

test('own writes: never shown: lapse; forgotten: no longer waited for', async () => {
  const clock = new FakeClock();
  const writes = new OwnWrites(clock);
  writes.wrote('owner', object('9'));
  await clock.advance(ownWritesLapseMs);
  assert.equal(writes.areShown('owner', showing()), false);
  await clock.advance(1);
  assert.equal(writes.areShown('owner', showing()), true);
  writes.wrote('owner', object('9'));
  writes.forget('owner');
  assert.equal(writes.areShown('owner', showing()), true);
});

test('expectations: met one by one; never met: they lapse', async () => {
  const clock = new FakeClock();
  const expectations = new Expectations(clock);
  expectations.expectCreations('k', 2);
  expectations.creationObserved('k');
  assert.equal(expectations.satisfied('k'), false);
  expectations.creationObserved('k');
  assert.equal(expectations.satisfied('k'), true);
  expectations.expectDeletions('k', ['a', 'b']);
  expectations.deletionObserved('k', 'a');
  expectations.deletionObserved('k', 'a');
  assert.equal(expectations.satisfied('k'), false);
  assert.equal(expectations.lapsesInMs('k'), 5 * 60_000);
  await clock.advance(5 * 60_000);
  assert.equal(expectations.satisfied('k'), true);
});
