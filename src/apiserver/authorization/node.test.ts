import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '#apimachinery/object.ts';
import clusterRoles from '#apis/facts/bootstrap/clusterroles.json' with { type: 'json' };
import type { AuthorizationAttributes } from '../request.ts';
import { fakeLister } from '../testing/fake-lister.ts';
import { createNodeAuthorizer } from './node.ts';
import type { PolicyRule } from './rbac-rule.ts';

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'a' },
  spec: {
    nodeName: 'n1',
    serviceAccountName: 'robot',
    volumes: [{ secret: { secretName: 'mounted' } }, { persistentVolumeClaim: { claimName: 'disk' } }],
    containers: [],
  },
} as unknown as KubeObject;
const rules = clusterRoles.items.find((r) => r.metadata.name === 'system:node')!.rules as PolicyRule[];
const authorizer = createNodeAuthorizer(() => fakeLister([pod]), rules);

function may(verb: string, resource: string, name: string, more: Partial<AuthorizationAttributes> = {}): boolean {
  const [base = '', subresource = ''] = resource.split('/');
  const decision = authorizer.authorize({
    user: { name: 'system:node:n1', groups: ['system:nodes'] },
    verb,
    resourceRequest: true,
    group: '',
    version: 'v1',
    resource: base,
    subresource,
    namespace: 'a',
    name,
    path: '',
    ...more,
  });
  assert.ok(!(decision instanceof Promise));
  return decision.decision === 'allow';
}

test('node authorizer: secrets and claims: only what a pod on the node refers to, by name', () => {
  assert.ok(may('get', 'secrets', 'mounted'));
  assert.ok(!may('get', 'secrets', 'other'));
  assert.ok(!may('list', 'secrets', ''));
  assert.ok(!may('update', 'secrets', 'mounted'));
  assert.ok(!may('get', 'secrets', 'mounted', { user: { name: 'system:node:n2', groups: ['system:nodes'] } }));
  assert.ok(!may('get', 'secrets', 'mounted', { user: { name: 'system:node:n1', groups: ['dev'] } }));
  assert.ok(may('update', 'persistentvolumeclaims/status', 'disk'));
  assert.ok(!may('update', 'persistentvolumeclaims', 'disk'));
});

test('node authorizer: service accounts: a token for one of its pods, and nothing that changes the account', () => {
  assert.ok(may('create', 'serviceaccounts/token', 'robot'));
  assert.ok(!may('create', 'serviceaccounts/token', 'admin'));
  for (const verb of ['update', 'patch', 'delete', 'create']) assert.ok(!may(verb, 'serviceaccounts', 'robot'), verb);
});

test("node authorizer: leases: its own heartbeat, nobody's election", () => {
  const lease = (verb: string, namespace: string, name: string) =>
    may(verb, 'leases', name, { group: 'coordination.k8s.io', namespace });
  assert.ok(lease('update', 'kube-node-lease', 'n1'));
  assert.ok(lease('create', 'kube-node-lease', ''));
  assert.ok(!lease('update', 'kube-node-lease', 'n2'));
  assert.ok(!lease('update', 'kube-system', 'kube-scheduler'));
  assert.ok(!lease('list', 'kube-node-lease', ''));
});

test('node authorizer: odd resource names are refused, not stumbled over', () => {
  for (const resource of ['constructor', '__proto__', 'toString']) assert.ok(!may('get', resource, 'x'));
  assert.ok(may('patch', 'nodes/status', 'n1', { namespace: '' }));
});
