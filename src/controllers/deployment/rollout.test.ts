import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Deployment, ReplicaSet } from '../resources.ts';
import { withSize } from './annotations.ts';
import { bounds, desiredReplicas, scaleProportionally, stepsOf } from './rollout.ts';

function replicaSet(name: string, replicas: number, available: number, created: string): ReplicaSet {
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name, uid: name, creationTimestamp: created },
    spec: { replicas, selector: {}, template: { spec: {} } },
    status: { replicas, availableReplicas: available },
  };
}

function deployment(replicas: number, maxSurge: number | string, maxUnavailable: number | string): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'd', uid: 'd' },
    spec: {
      replicas,
      selector: {},
      template: { spec: {} },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } },
    },
  };
}

test('rollout: bounds: percentages round surge up and unavailability down', () => {
  assert.deepEqual(bounds(deployment(10, '25%', '25%')), { maxSurge: 3, maxUnavailable: 2 });
  assert.deepEqual(bounds(deployment(1, 0, '25%')), { maxSurge: 0, maxUnavailable: 1 });
});

test('rollout: a rolling update: ends, and keeps both promises at every step', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 20 }),
      fc.integer({ min: 0, max: 5 }),
      fc.integer({ min: 0, max: 5 }),
      fc.integer({ min: 0, max: 20 }),
      fc.infiniteStream(fc.boolean()),
      (replicas, surge, unavailable, oldReplicas, coin) => {
        const d = deployment(replicas, surge, unavailable);
        const { maxSurge, maxUnavailable } = bounds(d);
        const old = replicaSet('old', oldReplicas, oldReplicas, '2026-01-01T00:00:00Z');
        const current = replicaSet('new', 0, 0, '2026-01-02T00:00:00Z');
        const startTotal = oldReplicas;
        for (let i = 0; i < 400; i++) {
          for (const step of stepsOf(d, current, [old])) {
            const before = desiredReplicas(step.replicaSet);
            step.replicaSet.spec.replicas = step.replicas;
            // Scaling down takes the unavailable first, as the ReplicaSet controller does.
            const { status } = step.replicaSet;
            if (step.replicas < before) status!.availableReplicas = Math.min(status!.availableReplicas!, step.replicas);
          }
          const total = desiredReplicas(old) + desiredReplicas(current);
          assert.ok(total <= Math.max(replicas + maxSurge, startTotal), `${total} pods`);
          const available = old.status!.availableReplicas! + current.status!.availableReplicas!;
          assert.ok(available >= Math.min(replicas - maxUnavailable, startTotal), `${available} available`);
          if (desiredReplicas(current) === replicas && desiredReplicas(old) === 0) return;
          // Some of the new pods become available.
          if (i > 200 || coin.next().value) {
            current.status!.availableReplicas = Math.min(
              desiredReplicas(current),
              current.status!.availableReplicas! + 1,
            );
          }
        }
        assert.fail('the rollout never ended');
      },
    ),
  );
});

test('rollout: scaled in mid-rollout: the change is shared in proportion', () => {
  const old = replicaSet('old', 8, 8, '2026-01-01T00:00:00Z');
  const current = replicaSet('new', 5, 2, '2026-01-02T00:00:00Z');
  for (const rs of [old, current]) rs.metadata.annotations = withSize(deployment(10, 3, 2));
  const steps = scaleProportionally(deployment(20, 3, 2), current, [old]);
  const next = Object.fromEntries(steps.map((s) => [s.replicaSet.metadata.name, s.replicas]));
  assert.deepEqual(next, { new: 9, old: 14 });
});

test('rollout: scaled to zero: nothing is left', () => {
  const old = replicaSet('old', 2, 2, '2026-01-01T00:00:00Z');
  const current = replicaSet('new', 3, 1, '2026-01-02T00:00:00Z');
  const steps = scaleProportionally(deployment(0, '25%', '25%'), current, [old]);
  assert.equal(
    steps.reduce((n, s) => n + s.replicas, 0),
    0,
  );
});
