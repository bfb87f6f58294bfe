import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Condition, Node, Pod } from '../resources.ts';
import { evictAfterMs, taintsFor } from './taints.ts';

const now = '2026-01-01T00:00:00Z';
const node = (conditions: Partial<Condition>[], taints: Node['spec'] = {}): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'n' },
  spec: taints,
  status: { conditions: conditions as Condition[] },
});
const pod = (tolerations: NonNullable<Pod['spec']['tolerations']>): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p' },
  spec: { containers: [], tolerations },
});

test('taints: a silent node: unreachable, and the taints of others stay', () => {
  const other = { key: 'dedicated', value: 'x', effect: 'NoSchedule' };
  const stale = { key: 'node.kubernetes.io/not-ready', effect: 'NoExecute' };
  const taints = taintsFor(node([{ type: 'Ready', status: 'Unknown' }], { taints: [other, stale] }), now);
  assert.deepEqual(taints, [
    other,
    { key: 'node.kubernetes.io/unreachable', effect: 'NoSchedule', timeAdded: now },
    { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute', timeAdded: now },
  ]);
});

test('taints: a node that is well again: none of ours', () => {
  const ours = { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute', timeAdded: now };
  assert.deepEqual(taintsFor(node([{ type: 'Ready', status: 'True' }], { taints: [ours] }), now), []);
});

test('eviction: tolerations: none now, seconds after the taint, unlimited never', () => {
  const taint = { key: 'k', effect: 'NoExecute', timeAdded: now };
  const at = Date.parse(now) + 10_000;
  assert.equal(evictAfterMs(pod([]), [taint], at), 0);
  assert.equal(evictAfterMs(pod([{ operator: 'Exists' }]), [taint], at), undefined);
  assert.equal(evictAfterMs(pod([{ key: 'k', operator: 'Exists', tolerationSeconds: 300 }]), [taint], at), 290_000);
  assert.equal(evictAfterMs(pod([{ key: 'k', operator: 'Exists', effect: 'NoSchedule' }]), [taint], at), 0);
});
