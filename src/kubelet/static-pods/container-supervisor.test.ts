import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/testing/fake-clock.ts';
import type { Container, Pod } from '../pod.ts';
import { FakeProcesses } from '../testing/fake-processes.ts';
import { staticPod, supervision } from '../testing/fixtures.ts';
import { PodWorker } from './pod-worker.ts';

async function begin(
  container: Partial<Container> = {},
  spec: Partial<Pod['spec']> = {},
  more: Parameters<typeof supervision>[2] = {},
) {
  const clock = new FakeClock();
  const processes = new FakeProcesses();
  const context = supervision(clock, processes, more);
  const pod = staticPod([container], spec);
  context.checkpoints.writePod({ pod, file: 'f', startedAt: clock.now() });
  const worker = new PodWorker(context, { pod, file: 'f', startedAt: clock.now() }, () => {});
  worker.start();
  await clock.advance(0);
  const status = () => worker.status().containerStatuses![0]!;
  return { clock, processes, context, pod, worker, status };
}

test('kubelet: restart: waits twice as long each time, up to the longest', async () => {
  const { clock, processes, status } = await begin();
  const waits: number[] = [];
  for (let i = 0; i < 13; i++) {
    processes.last.exit({ exitCode: 1 });
    await clock.advance(0);
    assert.equal(status().state.waiting?.reason, 'CrashLoopBackOff');
    const [before, at] = [processes.started.length, clock.monotonic()];
    while (processes.started.length === before) await clock.advance(250);
    waits.push(clock.monotonic() - at);
  }
  const expected = [250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000];
  assert.deepEqual(waits, expected);
  assert.equal(status().restartCount, 13);
  assert.equal(status().lastState.terminated?.exitCode, 1);
});

test('kubelet: restart: a long run starts over from the shortest wait', async () => {
  const { clock, processes } = await begin();
  for (let i = 0; i < 4; i++) {
    processes.last.exit({ exitCode: 1 });
    await clock.advance(2000);
  }
  await clock.advance(600_000);
  const before = processes.started.length;
  processes.last.exit({ exitCode: 1 });
  await clock.advance(250);
  assert.equal(processes.started.length, before + 1);
});

for (const [policy, exitCode, restarts] of [
  ['Always', 0, true],
  ['OnFailure', 0, false],
  ['OnFailure', 3, true],
  ['Never', 3, false],
] as const) {
  test(`kubelet: restart: policy ${policy} after exit status ${exitCode}`, async () => {
    const { clock, processes, worker } = await begin({}, { restartPolicy: policy });
    processes.last.exit({ exitCode });
    await clock.advance(1000);
    assert.equal(processes.started.length, restarts ? 2 : 1);
    const phase = restarts ? 'Running' : exitCode === 0 ? 'Succeeded' : 'Failed';
    assert.equal(worker.status().phase, phase);
  });
}

test('kubelet: start: a program that is not there is tried again with back-off', async () => {
  const { clock, processes, status } = await begin();
  processes.failure = 'program: no such program on this host';
  processes.last.exit({ exitCode: 1 });
  await clock.advance(250);
  assert.equal(status().lastState.terminated?.reason, 'StartError');
  assert.match(status().lastState.terminated!.message!, /no such program/);
  processes.failure = '';
  await clock.advance(500);
  assert.equal(processes.started.length, 2);
});

test('kubelet: start: a container without a command never runs and says why', async () => {
  const { clock, processes, status, worker } = await begin({ command: [] });
  await clock.advance(60_000);
  assert.equal(processes.started.length, 0);
  assert.equal(status().state.waiting?.reason, 'ImageInspectError');
  assert.match(status().state.waiting!.message!, /c0 has no command/);
  assert.equal(worker.status().phase, 'Pending');
});

test('kubelet: stop: TERM, then KILL when the grace period is over', async () => {
  const { clock, processes, worker } = await begin({}, { terminationGracePeriodSeconds: 5 });
  processes.isStubborn = true;
  let isStopped = false;
  void worker.stop().then(() => {
    isStopped = true;
  });
  await clock.advance(4999);
  assert.deepEqual(processes.last.signals, ['TERM']);
  assert.equal(isStopped, false);
  await clock.advance(1);
  assert.deepEqual(processes.last.signals, ['TERM', 'KILL']);
  assert.equal(isStopped, true);
  await clock.advance(600_000);
  assert.equal(processes.started.length, 1);
});

test('kubelet: stop: while waiting to restart: ends at once', async () => {
  const { clock, processes, worker } = await begin();
  processes.last.exit({ exitCode: 1 });
  await clock.advance(0);
  await worker.stop();
  await clock.advance(60_000);
  assert.equal(processes.started.length, 1);
  assert.equal(clock.pendingTimers, 0);
});

test('kubelet: restart: asked for: without a wait, and counted', async () => {
  const { clock, processes, worker, status } = await begin();
  worker.restart(1);
  await clock.advance(0);
  assert.equal(processes.started.length, 2);
  assert.equal(status().restartCount, 1);
  assert.ok(status().state.running);
});

test('kubelet: liveness: failing ends the container with its own grace period', async () => {
  let isHealthy = true;
  const probe = { tcpSocket: { port: 1 }, periodSeconds: 1, failureThreshold: 2, terminationGracePeriodSeconds: 3 };
  const { clock, processes, context } = await begin(
    { livenessProbe: probe },
    {},
    {
      prober: async () => ({ ok: isHealthy, message: 'refused' }),
    },
  );
  processes.isStubborn = true;
  await clock.advance(10_000);
  assert.deepEqual(processes.last.signals, []);
  isHealthy = false;
  await clock.advance(2000);
  assert.deepEqual(processes.last.signals, ['TERM']);
  await clock.advance(3000);
  assert.deepEqual(processes.started[0]!.signals, ['TERM', 'KILL']);
  isHealthy = true;
  await clock.advance(250);
  assert.equal(processes.started.length, 2);
  assert.ok(context.events.some((e) => e.reason === 'Killing' && /failed liveness probe/.test(e.message)));
});

test('kubelet: init containers: one after the other, before the rest', async () => {
  const { clock, processes, worker } = await begin(
    {},
    {
      initContainers: [
        { name: 'i0', command: ['first'] },
        { name: 'i1', command: ['second'] },
      ],
    },
  );
  const commands = () => processes.started.map((p) => p.spec.command[0]);
  assert.deepEqual(commands(), ['first']);
  assert.equal(worker.status().phase, 'Pending');
  processes.last.exit({ exitCode: 1 });
  await clock.advance(250);
  assert.deepEqual(commands(), ['first', 'first']);
  processes.last.exit({ exitCode: 0 });
  await clock.advance(0);
  processes.last.exit({ exitCode: 0 });
  await clock.advance(0);
  assert.deepEqual(commands(), ['first', 'first', 'second', 'program']);
  assert.equal(worker.status().phase, 'Running');
});

test('kubelet: adoption: a successor goes on with the process, its count and its back-off', async () => {
  const first = await begin();
  first.processes.last.exit({ exitCode: 1 });
  await first.clock.advance(250);
  first.worker.leave();

  const { clock, processes, context, pod } = first;
  const second = new PodWorker(context, context.checkpoints.readPods()[0]!, () => {});
  second.adopt();
  second.start();
  await clock.advance(0);
  assert.equal(processes.started.length, 2);
  assert.equal(second.pod.metadata.uid, pod.metadata.uid);
  assert.equal(second.containerStatuses()[0]!.restartCount, 1);
  assert.ok(second.containerStatuses()[0]!.state.running);
  processes.last.exit({ exitCode: undefined });
  await clock.advance(0);
  assert.equal(second.containerStatuses()[0]!.lastState.terminated?.reason, 'ContainerStatusUnknown');
  await clock.advance(499);
  assert.equal(processes.started.length, 2);
  await clock.advance(1);
  assert.equal(processes.started.length, 3);
});
