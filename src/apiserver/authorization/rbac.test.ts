import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '#apimachinery/object.ts';
import type { AuthorizationAttributes, UserInfo } from '../request.ts';
import { type FakeLister, fakeLister } from '../testing/fake-lister.ts';
import { createRbacAuthorizer } from './rbac.ts';
import { formatRule, missingRules, type PolicyRule } from './rbac-rule.ts';

const jane: UserInfo = { name: 'jane', groups: ['team', 'system:authenticated'] };
const robot: UserInfo = { name: 'system:serviceaccount:a:robot', groups: ['system:serviceaccounts'] };

function role(kind: string, namespace: string | undefined, name: string, rules: PolicyRule[]): KubeObject {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind,
    metadata: { name, ...(namespace ? { namespace } : {}) },
    rules,
  };
}
function binding(
  kind: string,
  namespace: string | undefined,
  name: string,
  roleRef: object,
  subject: object,
): KubeObject {
  const metadata = { name, ...(namespace ? { namespace } : {}) };
  return { apiVersion: 'rbac.authorization.k8s.io/v1', kind, metadata, roleRef, subjects: [subject] };
}

interface Listers {
  roles: FakeLister;
  roleBindings: FakeLister;
  clusterRoles: FakeLister;
  clusterRoleBindings: FakeLister;
}
function fixture(): { listers: Listers; rbac: ReturnType<typeof createRbacAuthorizer> } {
  const listers: Listers = {
    roles: fakeLister([
      role('Role', 'a', 'reader', [
        { verbs: ['get', 'list'], apiGroups: [''], resources: ['pods'] },
        { verbs: ['get'], apiGroups: [''], resources: ['secrets'], resourceNames: ['one'] },
        { verbs: ['patch'], apiGroups: ['apps'], resources: ['*/scale'] },
      ]),
    ]),
    roleBindings: fakeLister([
      binding('RoleBinding', 'a', 'readers', { kind: 'Role', name: 'reader' }, { kind: 'User', name: 'jane' }),
      binding(
        'RoleBinding',
        'a',
        'robots',
        { kind: 'ClusterRole', name: 'all' },
        { kind: 'ServiceAccount', name: 'robot' },
      ),
      binding('RoleBinding', 'a', 'broken', { kind: 'Role', name: 'missing' }, { kind: 'User', name: 'joe' }),
    ]),
    clusterRoles: fakeLister([
      role('ClusterRole', undefined, 'all', [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }]),
      role('ClusterRole', undefined, 'urls', [{ verbs: ['get'], nonResourceURLs: ['/livez', '/api/*'] }]),
    ]),
    clusterRoleBindings: fakeLister([
      binding(
        'ClusterRoleBinding',
        undefined,
        'team',
        { kind: 'ClusterRole', name: 'urls' },
        { kind: 'Group', name: 'team' },
      ),
    ]),
  };
  return { listers, rbac: createRbacAuthorizer(listers) };
}

function ask(user: UserInfo, verb: string, what: Partial<AuthorizationAttributes>): AuthorizationAttributes {
  const isResource = what.resource !== undefined;
  const none = { group: '', version: 'v1', resource: '', subresource: '', namespace: '', name: '', path: '' };
  return { ...none, user, verb, resourceRequest: isResource, ...what };
}

const table: [who: UserInfo, verb: string, what: Partial<AuthorizationAttributes>, allowed: boolean][] = [
  [jane, 'get', { resource: 'pods', namespace: 'a' }, true],
  [jane, 'get', { resource: 'pods', namespace: 'b' }, false],
  [jane, 'get', { resource: 'pods' }, false],
  [jane, 'delete', { resource: 'pods', namespace: 'a' }, false],
  [jane, 'get', { resource: 'pods', subresource: 'log', namespace: 'a' }, false],
  [jane, 'get', { resource: 'pods', group: 'metrics.k8s.io', namespace: 'a' }, false],
  [jane, 'get', { resource: 'secrets', namespace: 'a', name: 'one' }, true],
  [jane, 'get', { resource: 'secrets', namespace: 'a', name: 'two' }, false],
  [jane, 'get', { resource: 'secrets', namespace: 'a' }, false],
  [jane, 'patch', { resource: 'deployments', subresource: 'scale', group: 'apps', namespace: 'a' }, true],
  [jane, 'patch', { resource: 'deployments', group: 'apps', namespace: 'a' }, false],
  [jane, 'get', { path: '/livez' }, true],
  [jane, 'get', { path: '/livez/etcd' }, false],
  [jane, 'get', { path: '/api/v1' }, true],
  [jane, 'post', { path: '/api/v1' }, false],
  [robot, 'deletecollection', { resource: 'secrets', namespace: 'a' }, true],
  [robot, 'get', { resource: 'pods', namespace: 'b' }, false],
  [{ name: 'system:serviceaccount:b:robot', groups: [] }, 'get', { resource: 'pods', namespace: 'a' }, false],
  [{ name: 'x', groups: [] }, 'get', { path: '/livez' }, false],
];

test('rbac: evaluation: the table', async () => {
  const { rbac } = fixture();
  for (const [who, verb, what, allowed] of table) {
    const { decision } = await rbac.authorize(ask(who, verb, what));
    assert.equal(decision === 'allow', allowed, `${who.name} ${verb} ${JSON.stringify(what)}`);
  }
});

test('rbac: reasons: name the binding, the role and the subject', async () => {
  const { rbac } = fixture();
  const allowed = await rbac.authorize(ask(jane, 'get', { resource: 'pods', namespace: 'a' }));
  assert.equal(allowed.reason, 'RBAC: allowed by RoleBinding "readers/a" of Role "reader" to User "jane"');
  const byGroup = await rbac.authorize(ask(jane, 'get', { path: '/livez' }));
  assert.equal(byGroup.reason, 'RBAC: allowed by ClusterRoleBinding "team" of ClusterRole "urls" to Group "team"');
  const byAccount = await rbac.authorize(ask(robot, 'get', { resource: 'pods', namespace: 'a' }));
  assert.equal(
    byAccount.reason,
    'RBAC: allowed by RoleBinding "robots/a" of ClusterRole "all" to ServiceAccount "robot/a"',
  );
  const broken = await rbac.authorize(ask({ name: 'joe', groups: [] }, 'get', { resource: 'pods', namespace: 'a' }));
  assert.deepEqual(broken, {
    decision: 'no-opinion',
    reason: 'RBAC: role.rbac.authorization.k8s.io "missing" not found',
  });
});

test('rbac: changes: take effect at once, removed bindings too', async () => {
  const { listers, rbac } = fixture();
  const request = ask(jane, 'get', { resource: 'nodes' });
  assert.equal((await rbac.authorize(request)).decision, 'no-opinion');
  const grant = binding(
    'ClusterRoleBinding',
    undefined,
    'g',
    { kind: 'ClusterRole', name: 'all' },
    { kind: 'User', name: 'jane' },
  );
  listers.clusterRoleBindings.put(grant);
  assert.equal((await rbac.authorize(request)).decision, 'allow');
  listers.clusterRoles.put(role('ClusterRole', undefined, 'all', []));
  assert.equal((await rbac.authorize(request)).decision, 'no-opinion');
  listers.clusterRoles.put(
    role('ClusterRole', undefined, 'all', [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }]),
  );
  listers.clusterRoleBindings.remove('', 'g');
  assert.equal((await rbac.authorize(request)).decision, 'no-opinion');
});

test('rbac: rules of a user: those of a namespace and of the cluster', () => {
  const { rbac } = fixture();
  assert.equal(rbac.rulesFor(jane, 'a').rules.length, 4);
  assert.equal(rbac.rulesFor(jane, 'b').rules.length, 1);
  assert.deepEqual(rbac.rulesFor({ name: 'joe', groups: [] }, 'a').errors, [
    'role.rbac.authorization.k8s.io "missing" not found',
  ]);
});

test('rbac: escalation: what is missing, in compact form', () => {
  const held: PolicyRule[] = [{ verbs: ['get', 'list'], apiGroups: [''], resources: ['configmaps'] }];
  const wanted: PolicyRule[] = [{ verbs: ['get', 'delete'], apiGroups: [''], resources: ['configmaps', 'pods'] }];
  assert.deepEqual(missingRules(held, wanted).map(formatRule), [
    '{APIGroups:[""], Resources:["configmaps"], Verbs:["delete"]}',
    '{APIGroups:[""], Resources:["pods"], Verbs:["get" "delete"]}',
  ]);
  const all: PolicyRule[] = [
    { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
    { verbs: ['*'], nonResourceURLs: ['*'] },
  ];
  assert.deepEqual(missingRules(all, wanted), []);
  assert.equal(formatRule(missingRules(held, all)[1]!), '{NonResourceURLs:["*"], Verbs:["*"]}');
  const named: PolicyRule[] = [{ verbs: ['get'], apiGroups: [''], resources: ['configmaps'], resourceNames: ['x'] }];
  assert.deepEqual(missingRules(held, named), [], 'all names cover one');
  assert.equal(missingRules(named, held).length, 1, 'one name does not cover all');
});
