import assert from 'node:assert/strict';
import { test } from 'node:test';
import { created, errorsOf, objectOf, rowOf, strategyOf, updateErrorsOf } from './testing/fixtures.ts';

const schema = { openAPIV3Schema: { type: 'object' } };
const v1 = { name: 'v1', served: true, storage: true, schema };

function definition(spec: object = {}, metadata: object = {}) {
  return objectOf('apiextensions.k8s.io/v1', 'CustomResourceDefinition', {
    metadata: { name: 'as.b.c', ...metadata },
    spec: { group: 'b.c', scope: 'Namespaced', names: { plural: 'as', kind: 'A' }, versions: [v1], ...spec },
  });
}

test('custom resource definition: stored versions: the first at creation, a new one added, the old object untouched', () => {
  const old = created(definition());
  assert.deepEqual(old['status'].storedVersions, ['v1']);
  const v2 = { ...v1, name: 'v2' };
  const object = { ...definition({ versions: [{ ...v1, storage: false }, v2] }), status: old['status'] };
  strategyOf(object).prepareForUpdate!(object, old);
  assert.deepEqual(object.status.storedVersions, ['v1', 'v2']);
  assert.deepEqual(old['status'].storedVersions, ['v1']);
});

test('custom resource definition: validation: name, and a protected group', () => {
  assert.deepEqual(errorsOf(created(definition({}, { name: 'wrong' }))), [
    'metadata.name: Invalid value: "wrong": must be spec.names.plural+"."+spec.group',
  ]);
  const group = { group: 'x.k8s.io' };
  assert.match(
    errorsOf(created(definition(group, { name: 'as.x.k8s.io' })))[0]!,
    /api-approved.kubernetes.io\]: Required value/,
  );
  const approved = { name: 'as.x.k8s.io', annotations: { 'api-approved.kubernetes.io': 'unapproved, experimental' } };
  assert.deepEqual(errorsOf(created(definition(group, approved))), []);
});

test('role binding: role reference: defaulted, and fixed for good', () => {
  const binding = (name: string) =>
    objectOf('rbac.authorization.k8s.io/v1', 'RoleBinding', {
      roleRef: { kind: 'Role', name },
      subjects: [
        { kind: 'User', name: 'u' },
        { kind: 'ServiceAccount', name: 's', namespace: 'n' },
      ],
    });
  assert.deepEqual(errorsOf(binding('r')), []);
  assert.deepEqual(updateErrorsOf(binding('q'), binding('r')), [
    'roleRef: Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"Role","Name":"q"}: cannot change roleRef',
  ]);
  assert.deepEqual(rowOf(created(binding('r'))), ['x', 'Role/r', '60m', 'u', '', 'n/s']);
});

test('role: validation: a namespaced rule is about resources', () => {
  const rules = [
    { verbs: ['get'], nonResourceURLs: ['/x'] },
    { apiGroups: [''], resources: ['pods'] },
  ];
  assert.deepEqual(errorsOf(objectOf('rbac.authorization.k8s.io/v1', 'Role', { rules })), [
    'rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs',
    'rules[1].verbs: Required value: verbs must contain at least one value',
  ]);
});

test('lease: update: only with a revision, and created by an update', () => {
  const lease = objectOf('coordination.k8s.io/v1', 'Lease', { spec: { leaseDurationSeconds: 0 } });
  const { allowCreateOnUpdate, allowUnconditionalUpdate } = strategyOf(lease);
  assert.deepEqual([allowCreateOnUpdate, allowUnconditionalUpdate], [true, false]);
  assert.deepEqual(errorsOf(lease), ['spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0']);
});

test('priority class: validation: what is left to the system', () => {
  const named = (name: string, value: number) =>
    errorsOf(objectOf('scheduling.k8s.io/v1', 'PriorityClass', { metadata: { name }, value }));
  assert.deepEqual(named('high', 1_000_000_000), []);
  assert.deepEqual(named('system-node-critical', 2_000_001_000), []);
  assert.deepEqual(named('high', 1_000_000_001), [
    'value: Forbidden: maximum allowed value of a user defined priority is 1000000000',
  ]);
  assert.match(
    named('system-x', 1)[0]!,
    /^metadata.name: Forbidden: .* error: system-x is not a known system priority class$/,
  );
});

test('certificate signing request: approval: not approved and denied, and the request stays', () => {
  const conditions = [
    { type: 'Approved', status: 'True' },
    { type: 'Denied', status: 'True' },
  ];
  const request = (spec: object) =>
    objectOf('certificates.k8s.io/v1', 'CertificateSigningRequest', { spec, status: { conditions } });
  const object = request({ signerName: 'a.b/other' });
  const strategy = strategyOf(object);
  assert.deepEqual(
    strategy.validateStatusUpdate!(object, object).map((e) => e.message),
    ['Invalid value: "Denied": Approved and Denied conditions are mutually exclusive'],
  );
  strategy.prepareForUpdate!(object, request({ signerName: 'a.b/c' }));
  assert.equal(object.spec.signerName, 'a.b/c');
});

test('endpoint slice: table: at most three of each', () => {
  const slice = objectOf('discovery.k8s.io/v1', 'EndpointSlice', {
    addressType: 'IPv4',
    endpoints: ['1', '2', '3', '4'].map((n) => ({ addresses: [`10.1.1.${n}`] })),
    ports: [{ port: 80 }],
  });
  assert.deepEqual(rowOf(slice).slice(1, 4), ['IPv4', '80', '10.1.1.1,10.1.1.2,10.1.1.3 + 1 more...']);
  assert.deepEqual(errorsOf(slice), []);
});

test('network policy: defaults: egress rules make it a policy of both directions', () => {
  const types = (spec: object) => objectOf('networking.k8s.io/v1', 'NetworkPolicy', { spec }).spec.policyTypes;
  assert.deepEqual(types({ podSelector: {} }), ['Ingress']);
  assert.deepEqual(types({ podSelector: {}, egress: [{}] }), ['Ingress', 'Egress']);
});
