import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scheme } from './scheme.ts';
import { objectOf, rowOf } from './testing/fixtures.ts';

const v1 = scheme.kind({ group: 'autoscaling', version: 'v1', kind: 'HorizontalPodAutoscaler' })!;
const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' };

test('horizontal pod autoscaler: v1: its one metric becomes one of v2, and back', () => {
  const object = objectOf('autoscaling/v1', 'HorizontalPodAutoscaler', {
    spec: { scaleTargetRef, maxReplicas: 3, targetCPUUtilizationPercentage: 60 },
  });
  v1.toStorage!(object);
  const cpu = { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 60 } } };
  assert.deepEqual(object.spec.metrics, [cpu]);
  v1.fromStorage!(object);
  assert.equal(object.spec.targetCPUUtilizationPercentage, 60);
  assert.equal(object.spec.metrics, undefined);
});

test('horizontal pod autoscaler: v1: what v1 cannot say survives a way through it', () => {
  const memory = {
    type: 'Resource',
    resource: { name: 'memory', target: { type: 'Utilization', averageUtilization: 50 } },
  };
  const stored = objectOf('autoscaling/v2', 'HorizontalPodAutoscaler', {
    spec: {
      scaleTargetRef,
      maxReplicas: 3,
      metrics: [memory],
      behavior: { scaleDown: { stabilizationWindowSeconds: 9 } },
    },
  });
  const object = structuredClone(stored);
  v1.fromStorage!(object);
  assert.deepEqual(Object.keys(object.metadata.annotations!), [
    'autoscaling.alpha.kubernetes.io/metrics',
    'autoscaling.alpha.kubernetes.io/behavior',
  ]);
  v1.toStorage!(object);
  assert.deepEqual(object.spec, stored.spec);
  assert.equal(object.metadata.annotations, undefined);
});

test('horizontal pod autoscaler: v1: annotations that do not parse are dropped', () => {
  const object = objectOf('autoscaling/v1', 'HorizontalPodAutoscaler', {
    metadata: { annotations: { 'autoscaling.alpha.kubernetes.io/metrics': '{' } },
    spec: { scaleTargetRef, maxReplicas: 3 },
  });
  v1.toStorage!(object);
  assert.equal(object.spec.metrics[0].resource.target.averageUtilization, 80);
});

test('horizontal pod autoscaler: table: metrics as they are, of what they should be', () => {
  const metric = (name: string) => ({
    type: 'Resource',
    resource: { name, target: { type: 'Utilization', averageUtilization: 60 } },
  });
  const object = objectOf('autoscaling/v2', 'HorizontalPodAutoscaler', {
    spec: { scaleTargetRef, maxReplicas: 3, metrics: ['cpu', 'memory', 'x'].map(metric) },
    status: { currentMetrics: [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 10 } } }] },
  });
  assert.equal(rowOf(object)[2], 'cpu: 10%/60%, memory: <unknown>/60% + 1 more...');
});

test('event: events.k8s.io: the same facts by other names', () => {
  const kind = scheme.kind({ group: 'events.k8s.io', version: 'v1', kind: 'Event' })!;
  const object = objectOf('events.k8s.io/v1', 'Event', {
    regarding: { kind: 'Pod', name: 'p' },
    note: 'n',
    reportingController: 'c',
    deprecatedCount: 3,
  });
  const before = structuredClone(object);
  kind.toStorage!(object);
  assert.deepEqual(
    [object.involvedObject.name, object.message, object.reportingComponent, object.count],
    ['p', 'n', 'c', 3],
  );
  kind.fromStorage!(object);
  assert.deepEqual(object, before);
});
