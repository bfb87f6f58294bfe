import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '#apimachinery/object.ts';
import schemas from '#apis/facts/bootstrap/flowschemas.json' with { type: 'json' };
import levels from '#apis/facts/bootstrap/prioritylevelconfigurations.json' with { type: 'json' };
import { FakeClock } from '#base/testing/fake-clock.ts';
import type { ApiRequest, UserInfo } from '../request.ts';
import { parseRequestInfo } from '../request-info.ts';
import { parseTarget } from '../transport/server-request.ts';
import { FlowControl } from './flow-control.ts';
import { compileFlowSchema, distinguisherOf } from './flow-schema.ts';

const bootstrap = { schemas: schemas.items as KubeObject[], levels: levels.items as KubeObject[] };

function request(method: string, path: string, name: string, groups: string[]): ApiRequest {
  const url = parseTarget(path);
  const user: UserInfo = { name, groups: [...groups, 'system:authenticated'] };
  return { method, url, user, info: parseRequestInfo(method, url) } as ApiRequest;
}

const cases: [method: string, path: string, user: string, groups: string[], schema: string, level: string][] = [
  ['GET', '/api/v1/pods', 'root', ['system:masters'], 'exempt', 'exempt'],
  ['GET', '/livez', 'anyone', [], 'probes', 'exempt'],
  ['GET', '/livez/ping', 'anyone', [], 'global-default', 'global-default'],
  [
    'PUT',
    '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler',
    'system:kube-scheduler',
    [],
    'system-leader-election',
    'leader-election',
  ],
  [
    'PUT',
    '/apis/coordination.k8s.io/v1/namespaces/n/leases/x',
    'system:serviceaccount:kube-system:c',
    ['system:serviceaccounts'],
    'system-leader-election',
    'leader-election',
  ],
  [
    'DELETE',
    '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler',
    'system:kube-scheduler',
    [],
    'kube-scheduler',
    'workload-high',
  ],
  ['PATCH', '/api/v1/nodes/n1/status', 'system:node:n1', ['system:nodes'], 'system-node-high', 'node-high'],
  [
    'PUT',
    '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1',
    'system:node:n1',
    ['system:nodes'],
    'system-node-high',
    'node-high',
  ],
  ['GET', '/api/v1/pods', 'system:node:n1', ['system:nodes'], 'system-nodes', 'system'],
  ['GET', '/api/v1/pods', 'system:kube-controller-manager', [], 'kube-controller-manager', 'workload-high'],
  [
    'GET',
    '/api/v1/pods',
    'system:serviceaccount:kube-system:c',
    ['system:serviceaccounts'],
    'kube-system-service-accounts',
    'workload-high',
  ],
  [
    'GET',
    '/api/v1/pods',
    'system:serviceaccount:app:c',
    ['system:serviceaccounts'],
    'service-accounts',
    'workload-low',
  ],
  ['GET', '/version', 'alice', [], 'global-default', 'global-default'],
  ['POST', '/api/v1/namespaces/a/pods', 'alice', [], 'global-default', 'global-default'],
];

test('flow schemas: bootstrap: everybody finds the level upstream gives them', () => {
  const flowControl = new FlowControl(new FakeClock(), 600, bootstrap);
  for (const [method, path, user, groups, schema, level] of cases) {
    const found = flowControl.classify(request(method, path, user, groups));
    assert.deepEqual([found.schema.name, found.level.name], [schema, level], `${user} ${method} ${path}`);
  }
});

const schema = (rule: object, over: object = {}): KubeObject => ({
  apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
  kind: 'FlowSchema',
  metadata: { name: 's', uid: 'u' },
  spec: { matchingPrecedence: 100, priorityLevelConfiguration: { name: 'l' }, rules: [rule], ...over },
});
const everyone = [{ kind: 'Group', group: { name: 'system:authenticated' } }];

test('flow schemas: resource rules: namespaces, cluster scope, subresources', () => {
  const rule = { verbs: ['get', 'list'], apiGroups: [''], resources: ['pods', 'nodes'], namespaces: ['a'] };
  const matches = (r: object, method: string, path: string) =>
    compileFlowSchema(schema({ subjects: everyone, resourceRules: [r] })).matches(request(method, path, 'u', []));
  assert.ok(matches(rule, 'GET', '/api/v1/namespaces/a/pods/p'));
  assert.ok(!matches(rule, 'GET', '/api/v1/namespaces/b/pods/p'));
  assert.ok(!matches(rule, 'GET', '/api/v1/namespaces/a/pods/p/log'));
  assert.ok(!matches(rule, 'GET', '/api/v1/nodes/n'), 'no namespace, and no cluster scope');
  assert.ok(!matches(rule, 'GET', '/api/v1/pods'), 'all namespaces is cluster scope');
  assert.ok(matches({ ...rule, clusterScope: true }, 'GET', '/api/v1/nodes/n'));
  assert.ok(!matches(rule, 'DELETE', '/api/v1/namespaces/a/pods/p'));
  assert.ok(!matches({ ...rule, apiGroups: ['apps'] }, 'GET', '/api/v1/namespaces/a/pods/p'));
});

test('flow schemas: paths: exact, by prefix, all', () => {
  const matches = (urls: string[], path: string) =>
    compileFlowSchema(
      schema({ subjects: everyone, nonResourceRules: [{ verbs: ['get'], nonResourceURLs: urls }] }),
    ).matches(request('GET', path, 'u', []));
  assert.ok(matches(['/healthz'], '/healthz'));
  assert.ok(!matches(['/healthz'], '/healthz/etcd'));
  assert.ok(matches(['/healthz/*'], '/healthz/etcd'));
  assert.ok(matches(['*'], '/anything'));
});

test('flow schemas: distinguisher: the user, the namespace, or everyone together', () => {
  const of = (type: string | undefined) =>
    distinguisherOf(
      compileFlowSchema(schema({}, type ? { distinguisherMethod: { type } } : {})),
      request('GET', '/api/v1/namespaces/a/pods', 'alice', []),
    );
  assert.deepEqual([of('ByUser'), of('ByNamespace'), of(undefined)], ['alice', 'a', '']);
});

test('flow schemas: dangling: as if it were not there', () => {
  const flowControl = new FlowControl(new FakeClock(), 600, bootstrap);
  const own = schema({
    subjects: everyone,
    resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] }],
  });
  flowControl.configure([...bootstrap.schemas, own], bootstrap.levels);
  const alice = request('GET', '/api/v1/pods', 'alice', []);
  assert.equal(flowControl.classify(alice).schema.name, 'global-default');
  const level = { ...bootstrap.levels.find((l) => l.metadata.name === 'system')!, metadata: { name: 'l', uid: 'lu' } };
  flowControl.configure([...bootstrap.schemas, own], [...bootstrap.levels, level]);
  assert.equal(flowControl.classify(alice).schema.name, 's');
  assert.equal(flowControl.classify(alice).level.uid, 'lu');
});

test('flow schemas: all deleted: exempt and catch-all are there', () => {
  const flowControl = new FlowControl(new FakeClock(), 600, bootstrap);
  flowControl.configure([], [bootstrap.levels.find((l) => l.metadata.name === 'system')!]);
  assert.equal(flowControl.classify(request('GET', '/api/v1/pods', 'root', ['system:masters'])).level.name, 'exempt');
  assert.equal(flowControl.classify(request('GET', '/api/v1/pods', 'alice', [])).level.name, 'catch-all');
});
