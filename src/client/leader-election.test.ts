import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '#base/log.ts';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { createLeaderElector, type LeaderElectionOptions, type Lease } from './leader-election.ts';
import { FakeClient } from './testing/fake-client.ts';

const leasesResource = { group: 'coordination.k8s.io', version: 'v1', resource: 'leases' };

function setUp() {
  const clock = new FakeClock();
  const client = new FakeClient({ now: () => clock.now() });
  const log: string[] = [];
  const candidate = (identity: string, more: Partial<LeaderElectionOptions> = {}) => {
    const stop = new AbortController();
    const elector = createLeaderElector({
      client,
      namespace: 'kube-system',
      name: 'kube-scheduler',
      identity,
      leaseDurationMs: 15_000,
      renewDeadlineMs: 10_000,
      retryPeriodMs: 2_000,
      releaseOnCancel: true,
      clock,
      random: () => 0.5,
      log: silentLogger,
      onStartedLeading(signal) {
        log.push(`${clock.monotonic()} ${identity} starts`);
        return new Promise((resolve) =>
          signal.addEventListener('abort', () => {
            log.push(`${clock.monotonic()} ${identity} stops`);
            resolve();
          }),
        );
      },
      ...more,
    });
    const done = elector.run(stop.signal);
    return {
      elector,
      done,
      end: () => {
        stop.abort();
        return done;
      },
    };
  };
  const leases = client.resource<Lease>(leasesResource, 'kube-system');
  return { clock, client, log, candidate, leases };
}

test('client: election: the Lease: fields as upstream writes them', async () => {
  const { clock, candidate, leases } = setUp();
  const a = candidate('a');
  await clock.advance(100);
  const first = await leases.get('kube-scheduler');
  assert.deepEqual(first.spec, {
    holderIdentity: 'a',
    leaseDurationSeconds: 15,
    acquireTime: '2026-01-01T00:00:00.000000Z',
    renewTime: '2026-01-01T00:00:00.000000Z',
    leaseTransitions: 0,
  });
  await clock.advance(2_000);
  const renewed = await leases.get('kube-scheduler');
  assert.equal(renewed.spec!.renewTime, '2026-01-01T00:00:02.000000Z');
  assert.equal(renewed.spec!.acquireTime, first.spec!.acquireTime);
  assert.equal(a.elector.isLeader(), true);
  await a.end();
  const released = await leases.get('kube-scheduler');
  assert.equal(released.spec!.holderIdentity, '');
  assert.equal(released.spec!.leaseDurationSeconds, 1);
});

test('client: election: a release: is taken over at once, and counted', async () => {
  const { clock, log, candidate, leases } = setUp();
  const a = candidate('a');
  await clock.advance(100);
  const b = candidate('b');
  await clock.advance(5_000);
  await a.end();
  await clock.advance(50);
  assert.deepEqual(log, ['0 a starts', '5100 a stops', '5100 b starts']);
  assert.equal((await leases.get('kube-scheduler')).spec!.leaseTransitions, 1);
  await b.end();
});

test('client: election: a holder that is gone: is waited for its whole lease since the last change seen', async () => {
  const { clock, log, candidate, leases } = setUp();
  await leases.create({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'kube-scheduler' },
    // Long ago by its timestamps, which do not count.
    spec: {
      holderIdentity: 'dead',
      leaseDurationSeconds: 15,
      renewTime: '2001-01-01T00:00:00.000000Z',
      leaseTransitions: 7,
    },
  });
  const a = candidate('a');
  await clock.advance(14_900);
  assert.deepEqual(log, []);
  assert.equal(a.elector.leader, 'dead');
  await clock.advance(3_000);
  assert.equal(log.length, 1);
  assert.equal((await leases.get('kube-scheduler')).spec!.leaseTransitions, 8);
  await a.end();
});

test('client: election: the server is away: stops at the renew deadline, stands again, leads again', async () => {
  const { clock, client, log, candidate } = setUp();
  const a = candidate('a');
  await clock.advance(100);
  client.intercept = () => {
    throw new Error('connection lost');
  };
  await clock.advance(9_800);
  assert.equal(a.elector.isLeader(), true);
  await clock.advance(200);
  assert.deepEqual(log, ['0 a starts', '10000 a stops']);
  client.intercept = undefined;
  await clock.advance(3_000);
  assert.equal(log.length, 3);
  await a.end();
});

test('client: election: somebody else took the Lease: the term ends as soon as it is seen', async () => {
  const { clock, log, candidate, leases } = setUp();
  const a = candidate('a');
  await clock.advance(500);
  const lease = await leases.get('kube-scheduler');
  await leases.update({ ...lease, spec: { ...lease.spec, holderIdentity: 'thief' } });
  await clock.advance(1);
  assert.deepEqual(log, ['0 a starts', '500 a stops']);
  assert.equal(a.elector.isLeader(), false);
  await a.end();
  assert.equal((await leases.get('kube-scheduler')).spec!.holderIdentity, 'thief');
});

test('client: election: the Lease is deleted: its holder makes it again, nobody takes over', async () => {
  const { clock, log, candidate, leases } = setUp();
  const a = candidate('a');
  await clock.advance(500);
  const b = candidate('b');
  await clock.advance(1_000);
  await leases.delete('kube-scheduler');
  await clock.advance(20_000);
  assert.deepEqual(log, ['0 a starts']);
  assert.equal((await leases.get('kube-scheduler')).spec!.holderIdentity, 'a');
  await a.end();
  await b.end();
});

test('client: election: the work takes time to end: the Lease is kept until it has', async () => {
  const { clock, candidate, leases } = setUp();
  let finish = () => {};
  const a = candidate('a', {
    onStartedLeading: () =>
      new Promise<void>((resolve) => {
        finish = resolve;
      }),
  });
  await clock.advance(100);
  const ending = a.end();
  await clock.advance(20_000);
  assert.equal((await leases.get('kube-scheduler')).spec!.holderIdentity, 'a');
  finish();
  await ending;
  assert.equal((await leases.get('kube-scheduler')).spec!.holderIdentity, '');
});

test('client: election: the work fails: the election ends with its error, the Lease is released', async () => {
  const { clock, candidate, leases } = setUp();
  const a = candidate('a', { onStartedLeading: () => Promise.reject(new Error('broken')) });
  const failed = assert.rejects(a.done, /broken/);
  await clock.advance(100);
  await failed;
  assert.equal((await leases.get('kube-scheduler')).spec!.holderIdentity, '');
});

test('client: election: timing: refused where it would not be safe', () => {
  const { candidate } = setUp();
  assert.throws(() => candidate('a', { leaseDurationMs: 10_000 }), /lease-duration must be greater than/);
  assert.throws(() => candidate('a', { retryPeriodMs: 9_000 }), /renew-deadline must be greater than 1.2 times/);
  assert.throws(() => candidate('a', { retryPeriodMs: 0 }), /retry-period must be greater than zero/);
});
