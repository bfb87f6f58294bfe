import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { prioritySort } from '../plugins/priority-sort.ts';
import { schedulingGates } from '../plugins/scheduling-gates.ts';
import { testPod } from '../testing/fixtures.ts';
import { SchedulingQueue } from './scheduling-queue.ts';

function setUp() {
  const clock = new FakeClock();
  const queue = new SchedulingQueue({
    clock,
    less: prioritySort().less!,
    preEnqueue: (pod) => {
      const status = schedulingGates().preEnqueue!(pod);
      return status && { ...status, plugin: 'SchedulingGates' };
    },
  });
  const popNames = () => {
    const names: string[] = [];
    for (let q = queue.pop(); q; q = queue.pop()) {
      names.push(q.info.pod.metadata.name!);
      queue.done(q);
    }
    return names;
  };
  return { clock, queue, popNames };
}

const fit = new Set(['NodeResourcesFit']);

test('scheduler: queue: order: priority, then who waits longer', async () => {
  const { clock, queue, popNames } = setUp();
  queue.add(testPod('late', { priority: 5 }));
  queue.add(testPod('later', { priority: 5 }));
  await clock.advance(1);
  queue.add(testPod('low'));
  queue.add(testPod('high', { priority: 10 }));
  assert.deepEqual(popNames(), ['high', 'late', 'later', 'low']);
});

test('scheduler: queue: unschedulable: wakes for events that help its plugins, and for no others', async () => {
  const { queue, popNames, clock } = setUp();
  queue.add(testPod('a'));
  queue.addUnschedulable(queue.pop()!, fit);
  await clock.advance(20_000);
  for (const [resource, action] of [
    ['Node', 'UpdateNodeLabel'],
    ['Node', 'UpdateNodeTaint'],
    ['Pod', 'Add'],
  ] as const) {
    queue.moveAllOnEvent({ resource, action });
    assert.deepEqual(popNames(), [], `${resource}/${action} cannot help`);
  }
  queue.moveAllOnEvent({ resource: 'Node', action: 'UpdateNodeAllocatable' });
  assert.deepEqual(popNames(), ['a']);
  assert.equal(clock.pendingTimers <= 1, true);
});

test('scheduler: queue: back-off: with others before it a pod waits 1, 2, 4, 8, 10, 10 s', async () => {
  const { clock, queue } = setUp();
  queue.add(testPod('a'));
  const waits: number[] = [];
  for (let i = 0; i < 6; i++) {
    const queued = queue.pop()!;
    assert.equal(queued.key, 'default/a');
    queue.addUnschedulable(queued, fit);
    const failedAt = clock.monotonic();
    queue.moveAllOnEvent({ resource: 'Node', action: 'Add' });
    assert.equal(queue.pending.backoff, 1);
    while (queue.pending.backoff === 1) await clock.advance(100);
    waits.push((clock.monotonic() - failedAt) / 1000);
  }
  assert.deepEqual(waits, [1, 2, 4, 8, 10, 10]);
});

test('scheduler: queue: back-off with nobody else waiting: handed out early, unless it was an error', async () => {
  const { clock, queue } = setUp();
  queue.add(testPod('a'));
  queue.addUnschedulable(queue.pop()!, fit);
  queue.moveAllOnEvent({ resource: 'Node', action: 'Add' });
  const again = queue.pop()!;
  assert.equal(again.attempts, 2);
  queue.addFailed(again);
  queue.moveAllOnEvent({ resource: 'Node', action: 'Add' });
  assert.equal(queue.pop(), undefined);
  await clock.advance(1_000);
  assert.equal(queue.pop()!.attempts, 3);
});

test('scheduler: queue: most attempts: of whoever waits, wherever; not of who is gone', async () => {
  const { clock, queue } = setUp();
  assert.equal(queue.attemptsMax, 0);
  queue.add(testPod('a'));
  assert.equal(queue.attemptsMax, 0, 'not tried yet');
  queue.addUnschedulable(queue.pop()!, fit);
  assert.equal(queue.attemptsMax, 1, 'no node fits');
  queue.moveAllOnEvent({ resource: 'Node', action: 'Add' });
  assert.equal(queue.attemptsMax, 1, 'it backs off');
  const again = queue.pop()!;
  assert.equal(queue.attemptsMax, 2, 'in hand');
  queue.addFailed(again);
  assert.equal(queue.attemptsMax, 2, 'it backs off from an error');
  await clock.advance(10_000);
  assert.equal(queue.attemptsMax, 2, 'ready again');
  queue.done(queue.pop()!);
  assert.equal(queue.attemptsMax, 0);
});

test('scheduler: queue: five minutes without an event: tried in any case', async () => {
  const { clock, queue, popNames } = setUp();
  queue.add(testPod('a'));
  queue.addUnschedulable(queue.pop()!, fit);
  await clock.advance(299_000);
  assert.deepEqual(popNames(), []);
  await clock.advance(32_000);
  assert.deepEqual(popNames(), ['a']);
  await clock.advance(60_000);
  assert.equal(clock.pendingTimers, 0, 'an empty queue sets no timers');
});

test('scheduler: queue: an update: of the status changes nothing, of the spec tries again', async () => {
  const { clock, queue, popNames } = setUp();
  const pod = testPod('a');
  queue.add(pod);
  queue.addUnschedulable(queue.pop()!, fit);
  await clock.advance(10_000);
  queue.update({ ...pod, status: { phase: 'Pending', conditions: [] } }, pod);
  assert.deepEqual(popNames(), []);
  queue.update({ ...pod, metadata: { ...pod.metadata, labels: { a: 'b' } } }, pod);
  assert.deepEqual(popNames(), ['a']);
});

test('scheduler: queue: deleted while in hand: does not come back', () => {
  const { queue } = setUp();
  queue.add(testPod('a'));
  const queued = queue.pop()!;
  queue.delete('default/a');
  queue.addFailed(queued);
  queue.addUnschedulable(queued, fit);
  assert.deepEqual(queue.pending, { active: 0, backoff: 0, unschedulable: 0, gated: 0 });
});

test('scheduler: queue: waiting: ends with a pod, or with the signal', async () => {
  const { queue } = setUp();
  const stop = new AbortController();
  const ready = queue.whenReady(stop.signal);
  queue.add(testPod('a'));
  await ready;
  queue.done(queue.pop()!);
  const aborted = queue.whenReady(stop.signal);
  stop.abort();
  await aborted;
});
