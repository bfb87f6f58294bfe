import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/testing/fake-clock.ts';
import type { Container, Probe } from '../pod.ts';
import { ProbeWorker } from './probe-worker.ts';

/** A worker whose probes answer what `answers` says at that moment, and what it told. */
function begin(probes: Partial<Container>, answers: Record<string, boolean>, isAdopted = false) {
  const clock = new FakeClock();
  const told: string[] = [];
  const looks: string[] = [];
  const container: Container = { name: 'c', ...probes };
  const kindOf = (probe: Probe) =>
    probe === container.livenessProbe ? 'liveness' : probe === container.readinessProbe ? 'readiness' : 'startup';
  const worker = new ProbeWorker(
    clock,
    async (probe) => {
      looks.push(`${kindOf(probe)}@${clock.monotonic() / 1000}`);
      return { ok: answers[kindOf(probe)]!, message: 'no' };
    },
    { container, podIP: '', env: {} },
    {
      changed: () => told.push(`started=${worker.started} ready=${worker.ready}`),
      unhealthy: (kind, _message, reached) => reached && told.push(`${kind} failed`),
    },
    isAdopted,
  );
  return { clock, worker, told, looks, answers };
}
const tcp = { tcpSocket: { port: 1 } };

test('kubelet: probes: none: started and ready at once', () => {
  const { worker, clock } = begin({}, {});
  assert.deepEqual([worker.started, worker.ready, clock.pendingTimers], [true, true, 0]);
});

test('kubelet: probes: readiness: follows its thresholds', async () => {
  const readinessProbe = { ...tcp, periodSeconds: 1, successThreshold: 2, failureThreshold: 3 };
  const { clock, worker, told, answers } = begin({ readinessProbe }, { readiness: true });
  await clock.advance(0);
  assert.equal(worker.ready, false);
  await clock.advance(1000);
  assert.deepEqual(told, ['started=true ready=true']);
  answers.readiness = false;
  await clock.advance(2000);
  assert.equal(worker.ready, true);
  await clock.advance(1000);
  assert.equal(worker.ready, false);
  answers.readiness = true;
  await clock.advance(2000);
  assert.equal(worker.ready, true);
});

test('kubelet: probes: startup: holds the others back until it passed', async () => {
  const { clock, worker, told, looks, answers } = begin(
    {
      startupProbe: { ...tcp, periodSeconds: 2, failureThreshold: 30 },
      livenessProbe: { ...tcp, initialDelaySeconds: 1 },
      readinessProbe: { ...tcp },
    },
    { startup: false, liveness: true, readiness: true },
  );
  await clock.advance(5000);
  assert.deepEqual(looks, ['startup@0', 'startup@2', 'startup@4']);
  assert.equal(worker.started, false);
  answers.startup = true;
  await clock.advance(2000);
  assert.deepEqual(looks.slice(3), ['startup@6', 'readiness@6', 'liveness@6']);
  assert.deepEqual(told, ['started=true ready=false', 'started=true ready=true']);
});

test('kubelet: probes: startup: failing for good is told once', async () => {
  const { clock, told } = begin({ startupProbe: { ...tcp, periodSeconds: 1 } }, { startup: false });
  await clock.advance(60_000);
  assert.deepEqual(told, ['startup failed']);
  assert.equal(clock.pendingTimers, 0);
});

test('kubelet: probes: liveness: waits its initial delay, and not when adopted', async () => {
  const livenessProbe = { ...tcp, initialDelaySeconds: 15 };
  const fresh = begin({ livenessProbe }, { liveness: true });
  const adopted = begin({ livenessProbe }, { liveness: true }, true);
  await fresh.clock.advance(20_000);
  await adopted.clock.advance(5000);
  assert.deepEqual(fresh.looks, ['liveness@15']);
  assert.deepEqual(adopted.looks, ['liveness@0']);
});

test('kubelet: probes: liveness: a success in between starts the count over', async () => {
  const { clock, told, answers } = begin({ livenessProbe: { ...tcp, periodSeconds: 1 } }, { liveness: false });
  await clock.advance(1000);
  answers.liveness = true;
  await clock.advance(1000);
  answers.liveness = false;
  await clock.advance(2000);
  assert.deepEqual(told, []);
  await clock.advance(1000);
  assert.deepEqual(told, ['liveness failed', 'started=true ready=false']);
});
