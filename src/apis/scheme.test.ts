import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatGroupVersion } from '#apimachinery/group-version.ts';
import { decodeObject } from '#apimachinery/schema/decode.ts';
import { builtInKinds } from './built-in-kinds.ts';
import resourceFacts from './facts/resources.json' with { type: 'json' };
import columnFacts from './facts/table-columns.json' with { type: 'json' };
import { scheme } from './scheme.ts';
import { jane } from './testing/fixtures.ts';

const now = Date.parse('2026-01-01T00:00:00Z');

test('scheme: resources: every GA resource of the facts is served', () => {
  const ga = resourceFacts.resources.filter((r) => r.stage === 'GA' && r.defaultEnabled && !('subresource' in r));
  assert.equal(scheme.resources().length, ga.length);
  for (const { group, version, resource } of ga) assert.ok(scheme.resource(group, version, resource), resource);
});

test('scheme: resources: subresources are folded in', () => {
  const pods = scheme.resource('', 'v1', 'pods')!;
  assert.ok(pods.subresources.has('binding'));
  assert.deepEqual(scheme.resource('apps', 'v1', 'deployments')!.subresources.get('scale')!.responseKind, {
    group: 'autoscaling',
    version: 'v1',
    kind: 'Scale',
  });
  assert.equal(pods.storagePrefix, '/registry/pods/');
});

test('scheme: groups: upstream order and preferred versions', () => {
  const groups = scheme.groups();
  assert.deepEqual(
    groups.slice(0, 3).map((g) => g.name),
    ['', 'apiregistration.k8s.io', 'apps'],
  );
  assert.deepEqual(
    groups.find((g) => g.name === 'autoscaling'),
    { name: 'autoscaling', versions: ['v2', 'v1'], preferredVersion: 'v2' },
  );
});

test('scheme: storage: versions and groups that share a place share its version', () => {
  const v1 = scheme.resource('autoscaling', 'v1', 'horizontalpodautoscalers')!;
  const v2 = scheme.resource('autoscaling', 'v2', 'horizontalpodautoscalers')!;
  assert.equal(v1.storagePrefix, v2.storagePrefix);
  assert.equal(v1.storage!.version, 'v2');
  const events = scheme.resource('events.k8s.io', 'v1', 'events')!;
  assert.deepEqual(events.storage, { group: '', version: 'v1', kind: 'Event' });
  assert.equal(scheme.strategy('events.k8s.io', 'events').allowCreateOnUpdate, true);
});

test('scheme: storage: what is stored is in a version that is served', () => {
  for (const info of scheme.resources())
    if (info.storage)
      assert.ok(scheme.byKind(info.storage.group, info.storage.version, info.storage.kind), info.resource);
});

test('scheme: kinds: every kind file belongs to a served resource', () => {
  for (const { group, version, resource } of builtInKinds)
    assert.ok(scheme.resource(group, version, resource), `${group}/${version}/${resource}`);
});

test('scheme: schemas: every stored resource has one', () => {
  for (const info of scheme.resources()) assert.ok(scheme.schemas.get(info.schema), info.resource);
  assert.equal(
    scheme.schemaName({ group: 'policy', version: 'v1', kind: 'Eviction' }),
    'io.k8s.api.policy.v1.Eviction',
  );
});

test('scheme: name rules: as tried on a real server', () => {
  assert.equal(scheme.strategy('', 'pods').nameRule, 'dns-subdomain');
  assert.equal(scheme.strategy('', 'services').nameRule, 'dns-label');
  assert.equal(scheme.strategy('', 'events').nameRule, 'path-segment');
  assert.equal(scheme.strategy('rbac.authorization.k8s.io', 'clusterroles').nameRule, 'rbac');
});

test('scheme: status: a new object gets the zero status, of its own', () => {
  const { prepareForCreate } = scheme.strategy('apps', 'daemonsets');
  const make = () => {
    const object = { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: {}, spec: {}, status: undefined as unknown };
    prepareForCreate!(object, jane);
    return object.status as Record<string, unknown>;
  };
  assert.equal(make()['numberReady'], 0);
  make()['numberReady'] = 5;
  assert.equal(make()['numberReady'], 0);
});

test('scheme: field labels: paths, renamed ones, and only what the facts list', () => {
  assert.deepEqual(
    [...scheme.supportedFieldLabels('', 'v1', 'configmaps').keys()],
    ['metadata.name', 'metadata.namespace'],
  );
  const labels = scheme.supportedFieldLabels('events.k8s.io', 'v1', 'events');
  assert.equal(labels.get('regarding.name'), 'involvedObject.name');
  assert.equal(labels.has('involvedObject.name'), false);
  assert.equal(scheme.supportedFieldLabels('', 'v1', 'pods').get('spec.host'), 'spec.nodeName');
});

for (const info of scheme.resources()) {
  const { group, version, resource } = info;
  if (!info.storage) continue;
  const facts = columnFacts.resources.find(
    (r) => r.group === group && r.version === version && r.resource === resource,
  )!;

  test(`scheme: tables: ${resource}.${group}/${version}: one cell for each column, of an empty and a bare object`, () => {
    const strategy = scheme.strategy(group, resource);
    const storage = scheme.resource(info.storage!.group, info.storage!.version, resource)!;
    const bare = { apiVersion: formatGroupVersion(storage), kind: storage.kind, metadata: { name: 'x' } };
    const row = strategy.tableRow!(structuredClone(bare), now);
    assert.equal(row.length, facts.cellTypes.length);
    const full = decodeObject(scheme.schemas, storage.schema, bare).object;
    scheme.kind(storage)?.setDefaults?.(full);
    full.metadata.creationTimestamp = '2025-12-31T23:00:00Z';
    const cells = strategy.tableRow!(full, now);
    const types = cells.map((cell) => (typeof cell === 'boolean' ? 'bool' : typeof cell));
    assert.deepEqual(
      types,
      facts.cellTypes.map((type, i) => (facts.columns[i]?.[0] === 'NominalConcurrencyShares' ? types[i] : type)),
    );
  });

  test(`scheme: field labels: ${resource}.${group}/${version}: the object's fields are among the labels`, () => {
    const storage = info.storage!;
    const labels = scheme.supportedFieldLabels(storage.group, storage.version, resource);
    const bare = { apiVersion: 'v1', kind: storage.kind, metadata: { name: 'x' } };
    for (const [label, value] of Object.entries(scheme.strategy(group, resource).selectableFields?.(bare) ?? {})) {
      assert.ok(labels.has(label), label);
      assert.equal(typeof value, 'string');
    }
  });
}
