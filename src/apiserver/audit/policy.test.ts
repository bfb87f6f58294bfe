import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UserInfo } from '../request.ts';
import { parseRequestInfo } from '../request-info.ts';
import { compilePolicy, type Level, type PolicyRule } from './policy.ts';
import { parsePolicy } from './policy-file.ts';

const alice: UserInfo = { name: 'alice', groups: ['dev', 'system:authenticated'] };

function infoOf(request: string) {
  const [method = '', target = ''] = request.split(' ');
  const [pathname = '', query] = target.split('?');
  return parseRequestInfo(method, {
    pathname,
    search: query === undefined ? '' : `?${query}`,
    searchParams: new URLSearchParams(query),
  });
}

function levelOf(rules: PolicyRule[], request: string, user: UserInfo | undefined = alice): Level {
  return compilePolicy({ rules })(infoOf(request), user).level;
}

const pod = 'GET /api/v1/namespaces/a/pods/b';
const scale = 'PUT /apis/apps/v1/namespaces/a/deployments/d/scale';

for (const [title, rule, request, isMatch] of [
  ['no condition', {}, pod, true],
  ['no condition, any path', {}, 'GET /healthz', true],
  ['user', { users: ['bob', 'alice'] }, pod, true],
  ['another user', { users: ['bob'] }, pod, false],
  ['group', { userGroups: ['ops', 'dev'] }, pod, true],
  ['another group', { userGroups: ['ops'] }, pod, false],
  ['user and another group', { users: ['alice'], userGroups: ['ops'] }, pod, false],
  ['verb', { verbs: ['get'] }, pod, true],
  ['another verb', { verbs: ['list', 'watch'] }, pod, false],
  ['watch', { verbs: ['watch'] }, 'GET /api/v1/pods?watch=1', true],
  ['namespace', { namespaces: ['a'] }, pod, true],
  ['another namespace', { namespaces: ['b'] }, pod, false],
  ['no namespace', { namespaces: [''] }, 'GET /api/v1/nodes/n', true],
  ['namespace, of a path', { namespaces: [''] }, 'GET /healthz', false],
  ['group alone', { resources: [{ group: '' }] }, pod, true],
  ['group left out is core', { resources: [{ resources: ['pods'] }] }, pod, true],
  ['another API group', { resources: [{ group: 'apps' }] }, pod, false],
  ['resource of another API group', { resources: [{ group: 'apps', resources: ['pods'] }] }, pod, false],
  ['second of two API groups', { resources: [{ group: 'apps' }, { group: '', resources: ['pods'] }] }, pod, true],
  ['any resource', { resources: [{ group: '', resources: ['*'] }] }, pod, true],
  ['any resource, of a part', { resources: [{ group: 'apps', resources: ['*'] }] }, scale, true],
  ['resource, of a part', { resources: [{ group: 'apps', resources: ['deployments'] }] }, scale, false],
  ['part', { resources: [{ group: 'apps', resources: ['deployments/scale'] }] }, scale, true],
  ['another part', { resources: [{ group: 'apps', resources: ['deployments/status'] }] }, scale, false],
  ['all parts', { resources: [{ group: 'apps', resources: ['deployments/*'] }] }, scale, true],
  ['all parts, of the whole', { resources: [{ group: '', resources: ['pods/*'] }] }, pod, true],
  ['all parts of another', { resources: [{ group: 'apps', resources: ['replicasets/*'] }] }, scale, false],
  ['part of any', { resources: [{ group: 'apps', resources: ['*/scale'] }] }, scale, true],
  ['part of any, of the whole', { resources: [{ group: '', resources: ['*/status'] }] }, pod, false],
  ['name', { resources: [{ group: '', resources: ['pods'], resourceNames: ['b'] }] }, pod, true],
  ['another name', { resources: [{ group: '', resources: ['pods'], resourceNames: ['c'] }] }, pod, false],
  ['resource, of a path', { resources: [{ group: '', resources: ['*'] }] }, 'GET /api', false],
  ['path', { nonResourceURLs: ['/healthz'] }, 'GET /healthz', true],
  ['path, below it', { nonResourceURLs: ['/healthz'] }, 'GET /healthz/etcd', false],
  ['paths', { nonResourceURLs: ['/healthz*'] }, 'GET /healthz/etcd', true],
  ['paths, another', { nonResourceURLs: ['/healthz*'] }, 'GET /livez', false],
  ['any path', { nonResourceURLs: ['*'] }, 'GET /livez', true],
  ['any path, of a resource', { nonResourceURLs: ['*'] }, pod, false],
] as [string, Omit<PolicyRule, 'level'>, string, boolean][]) {
  test(`audit policy: a rule: ${title}`, () => {
    assert.equal(levelOf([{ level: 'Metadata', ...rule }], request), isMatch ? 'Metadata' : 'None');
  });
}

test('audit policy: rules: the first that matches decides', () => {
  const rules: PolicyRule[] = [{ level: 'None', users: ['alice'] }, { level: 'Request' }];
  assert.equal(levelOf(rules, pod), 'None');
  assert.equal(levelOf(rules, pod, { name: 'bob', groups: [] }), 'Request');
});

test('audit policy: nobody: rules about users do not concern who is not authenticated', () => {
  const evaluate = compilePolicy({
    rules: [{ level: 'Request', users: [''] }, { level: 'Request', userGroups: [''] }, { level: 'Metadata' }],
  });
  assert.equal(evaluate(infoOf(pod), undefined).level, 'Metadata');
});

test('audit policy: outcome: stages add up, managed fields are the rule’s to say', () => {
  const evaluate = compilePolicy({
    omitStages: ['RequestReceived'],
    omitManagedFields: true,
    rules: [
      { level: 'Metadata', verbs: ['get'], omitStages: ['Panic'], omitManagedFields: false },
      { level: 'Metadata' },
    ],
  });
  const get = evaluate(infoOf(pod), alice);
  assert.deepEqual([[...get.omitStages], get.omitManagedFields], [['RequestReceived', 'Panic'], false]);
  const put = evaluate(infoOf(scale), alice);
  assert.deepEqual([[...put.omitStages], put.omitManagedFields], [['RequestReceived'], true]);
  assert.equal(evaluate(infoOf(pod), alice), get, 'made once');
});

const head = 'apiVersion: audit.k8s.io/v1\nkind: Policy\n';

test('audit policy: file: as kubeadm’s users write it', async () => {
  const policy = await parsePolicy(`${head}metadata: {name: x}
omitStages: [RequestReceived]
rules:
- level: None
  nonResourceURLs: ["/healthz*"]
- level: RequestResponse
  users:
  resources: [{group: "", resources: ["pods/*"], resourceNames: ["a"]}]
  omitManagedFields: true
`);
  assert.equal(policy.rules.length, 2);
  assert.equal(policy.rules[1]!.users, undefined, 'a field without a value is left out');
});

for (const [title, text, message] of [
  ['no YAML', 'rules: [', /^failed decoding: .*line 1/],
  ['no object', '- a', /^failed decoding: it is no object$/],
  ['nothing', '', /^failed decoding: it is no object$/],
  ['no kind', 'apiVersion: audit.k8s.io/v1', /^failed decoding: Object 'Kind' is missing/],
  [
    'old version',
    'apiVersion: audit.k8s.io/v1beta1\nkind: Policy',
    /^unknown group version field audit\.k8s\.io\/v1beta1/,
  ],
  ['another kind', 'apiVersion: audit.k8s.io/v1\nkind: Event', /no kind "Event" is registered for version "audit/],
  ['no rules', head, /^loaded illegal policy with 0 rules$/],
  [
    'unknown field',
    `${head}rules: [{level: None, user: [a]}]`,
    /^strict decoding error: unknown field "rules\[0\]\.user"$/,
  ],
  ['unknown field at the top', `${head}rule: []`, /unknown field "rule"$/],
  [
    'field of Object’s own',
    `${head}rules: [{level: None, constructor: [a]}]`,
    /unknown field "rules\[0\]\.constructor"$/,
  ],
  [
    'unknown field of a resource',
    `${head}rules: [{level: None, resources: [{name: a}]}]`,
    /"rules\[0\]\.resources\[0\]\.name"$/,
  ],
  ['rules that are no list', `${head}rules: {level: None}`, /^failed decoding: rules: it must be a list$/],
  ['a rule that is no object', `${head}rules: [None]`, /^failed decoding: rules: it must be a list of objects$/],
  [
    'users that are no list',
    `${head}rules: [{level: None, users: a}]`,
    /rules\[0\]\.users: it must be a list of strings$/,
  ],
  [
    'a user that is a number',
    `${head}rules: [{level: None, users: [1]}]`,
    /rules\[0\]\.users: it must be a list of strings$/,
  ],
  [
    'a flag that is text',
    `${head}omitManagedFields: "no"\nrules: [{level: None}]`,
    /omitManagedFields: it must be a boolean$/,
  ],
  ['no level', `${head}rules: [{users: [a]}]`, /^rules\[0\]\.level: Required value$/],
  [
    'no such level',
    `${head}rules: [{level: All}]`,
    /^rules\[0\]\.level: Unsupported value: "All": supported values: "None", "Metadata", "Request", "RequestResponse"$/,
  ],
  [
    'no such stage',
    `${head}rules: [{level: None, omitStages: [Done]}]`,
    /^rules\[0\]\.omitStages\[0\]: Invalid value: "Done": allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic$/,
  ],
  [
    'no such stage for all',
    `${head}omitStages: [Done]\nrules: [{level: None}]`,
    /^omitStages\[0\]: Invalid value: "Done"/,
  ],
  [
    'resources and paths',
    `${head}rules: [{level: None, nonResourceURLs: [/a], namespaces: [b]}]`,
    /^rules\[0\]\.nonResourceURLs: .*rules cannot apply to both regular resources and non-resource URLs$/,
  ],
  [
    'a path without slash',
    `${head}rules: [{level: None, nonResourceURLs: [a]}]`,
    /nonResourceURLs\[0\]: Invalid value: "a": non-resource URL rules must begin with a '\/' character$/,
  ],
  [
    'a star within a path',
    `${head}rules: [{level: None, nonResourceURLs: ["/a*b"]}]`,
    /wildcards '\*' must be the final character of the rule$/,
  ],
  [
    'a version in a group',
    `${head}rules: [{level: None, resources: [{group: rbac/v1}]}]`,
    /^rules\[0\]\.resources\[0\]\.group: Invalid value: "rbac\/v1": a lowercase RFC 1123 subdomain/,
  ],
  [
    'names without a resource',
    `${head}rules: [{level: None, resources: [{group: "", resourceNames: [a]}]}]`,
    /resourceNames: .*using resourceNames requires at least one resource$/,
  ],
  ['two faults', `${head}rules: [{level: All}, {}]`, /^\[rules\[0\]\.level: .*, rules\[1\]\.level: Required value\]$/],
] as [string, string, RegExp][]) {
  test(`audit policy: file: refused: ${title}`, async () => {
    await assert.rejects(parsePolicy(text), (error: Error) => {
      assert.match(error.message, message);
      return true;
    });
  });
}
