import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '#apimachinery/object.ts';
import { parseCidr } from '../services/ip-range.ts';
import { bootstrapNamespaces, bootstrapObjects, bootstrapRbac } from './bootstrap-objects.ts';
import { reconcileRbac } from './reconcile-rbac.ts';

const parameters = {
  clusterIpRange: parseCidr('10.9.0.0/24')!,
  clusterIpRangeText: '10.9.0.0/24',
  securePort: 7443,
  now: Date.UTC(2026, 0, 2),
  authenticationConfig: {},
};

test('bootstrap: objects: no placeholder is left', async () => {
  const objects = [
    ...(await bootstrapNamespaces()),
    ...(await bootstrapRbac()),
    ...(await bootstrapObjects(parameters)),
  ];
  assert.ok(objects.length > 150);
  for (const object of objects)
    assert.doesNotMatch(JSON.stringify(object), /"\{[a-zA-Z-]+[^"]*\}"/, object.metadata.name!);
  const service = objects.find((o) => o.kind === 'Service')!;
  assert.deepEqual([service['spec'].clusterIP, service['spec'].ports[0].targetPort], ['10.9.0.1', 7443]);
  assert.ok(objects.some((o) => o.kind === 'IPAddress' && o.metadata.name === '10.9.0.1'));
  assert.ok(!objects.some((o) => o.metadata.name === 'extension-apiserver-authentication'));
});

function role(rules: object[], annotations: Record<string, string> = {}): KubeObject {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'r', annotations },
    rules,
  };
}
const get = { verbs: ['get'], apiGroups: [''], resources: ['pods'] };
const list = { verbs: ['list'], apiGroups: [''], resources: ['pods'] };
const own = { verbs: ['watch'], apiGroups: [''], resources: ['nodes'] };

test('bootstrap: roles: missing rules are added, others stay, autoupdate=false is respected', () => {
  assert.deepEqual(reconcileRbac(role([get, own]), role([get, list]))!['rules'], [get, own, list]);
  assert.equal(reconcileRbac(role([own, list, get]), role([get, list])), undefined);
  const pinned = role([], { 'rbac.authorization.kubernetes.io/autoupdate': 'false' });
  assert.equal(reconcileRbac(pinned, role([get])), undefined);
});

test('bootstrap: bindings: missing subjects are added, another role is left alone', () => {
  const binding = (name: string, subjects: string[]): KubeObject => ({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'b' },
    roleRef: { kind: 'ClusterRole', name },
    subjects: subjects.map((s) => ({ kind: 'User', name: s })),
  });
  const merged = reconcileRbac(binding('r', ['mine']), binding('r', ['theirs']))!;
  assert.deepEqual(
    merged['subjects'].map((s: any) => s.name),
    ['mine', 'theirs'],
  );
  assert.equal(reconcileRbac(binding('other', []), binding('r', ['theirs'])), undefined);
});
