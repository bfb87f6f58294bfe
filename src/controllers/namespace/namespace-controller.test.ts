import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '#apimachinery/object.ts';
import type { FakeServedKind } from '#client/testing/fake-discovery.ts';
import { type Condition, resources } from '../resources.ts';
import { type Bench, type BenchOptions, bench, namespace } from '../testing/fixtures.ts';
import { namespaceController } from './namespace-controller.ts';

const pods: FakeServedKind = { ...resources.pods, kind: 'Pod', namespaced: true };
const maps: FakeServedKind = { ...resources.configmaps, kind: 'ConfigMap', namespaced: true };
const nodes: FakeServedKind = { ...resources.nodes, kind: 'Node', namespaced: false };
const onlyOne: FakeServedKind = {
  group: 'x.io',
  version: 'v1',
  resource: 'singles',
  kind: 'Single',
  namespaced: true,
  verbs: ['list', 'delete'],
};

async function start(options: BenchOptions = {}): Promise<Bench> {
  return bench([namespaceController], {
    isGraceful: (o) => o.kind === 'Pod',
    ...options,
    prepare: async (client) => {
      client.served = [pods, maps, nodes, onlyOne];
      await client.resource(resources.namespaces).create(namespace('n'));
      await client.resource(resources.namespaces).create(namespace('other'));
      await options.prepare?.(client);
    },
  });
}
const add = (b: Bench, kind: FakeServedKind, name: string, more: object = {}, ns = 'n') =>
  b.of(kind, ns).create({ apiVersion: 'v1', kind: kind.kind, metadata: { name, ...more } } as KubeObject);
const conditions = (b: Bench) =>
  ((b.get(resources.namespaces, 'n')?.['status'].conditions ?? []) as Condition[])
    .filter((c) => c.status === 'True')
    .map((c) => `${c.type} ${c.reason}: ${c.message}`);

test('namespace: deleted: emptied, then gone; other namespaces are let be', async () => {
  const b = await start();
  await add(b, maps, 'a');
  await add(b, onlyOne, 'b');
  await add(b, maps, 'c', {}, 'other');
  await b.of(resources.namespaces, '').delete('n');
  await b.pass(5000);
  assert.equal(b.get(resources.namespaces, 'n'), undefined);
  assert.deepEqual([b.list(maps).length, b.list(onlyOne).length], [1, 0]);
  b.client.actions.length = 0;
  await b.pass(10 * 60_000);
  assert.deepEqual(b.client.actions, []);
  assert.equal(b.clock.pendingTimers, 0);
  await b.stop();
});

test('namespace: pods first: the rest is there until the last has stopped', async () => {
  const b = await start();
  await add(b, pods, 'p');
  await add(b, maps, 'a');
  await b.of(resources.namespaces, '').delete('n');
  await b.pass(5000);
  assert.equal(b.list(maps).length, 1);
  assert.deepEqual(conditions(b), [
    'NamespaceContentRemaining SomeResourcesRemain: Some resources are remaining: pods. has 1 resource instances',
  ]);
  await b.of(pods, 'n').delete('p', { gracePeriodSeconds: 0 });
  await b.pass(20_000);
  assert.equal(b.get(resources.namespaces, 'n'), undefined);
  assert.equal(b.list(maps).length, 0);
  await b.stop();
});

test('namespace: a finalizer holds something: said so, waited for, and looked after ever less often', async () => {
  const b = await start();
  await add(b, maps, 'held', { finalizers: ['example.com/hold'] });
  await b.of(resources.namespaces, '').delete('n');
  await b.pass(5000);
  assert.deepEqual(conditions(b), [
    'NamespaceContentRemaining SomeResourcesRemain: Some resources are remaining: configmaps. has 1 resource instances',
    'NamespaceFinalizersRemaining SomeFinalizersRemain: Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances',
  ]);
  b.client.actions.length = 0;
  await b.pass(60_000);
  assert.ok(b.client.actions.length < 40, `${b.client.actions.length} requests in a minute`);
  assert.deepEqual(b.writes(), []);
  await b.of(maps, 'n').patch('held', 'application/merge-patch+json', { metadata: { finalizers: [] } });
  await b.pass(20_000);
  assert.equal(b.get(resources.namespaces, 'n'), undefined);
  await b.stop();
});

test('namespace: made by another server after the content was deleted: found before the namespace goes', async () => {
  const b = await start();
  await b.of(resources.namespaces, '').delete('n');
  await b.pass(500);
  await add(b, maps, 'late');
  await b.pass(20_000);
  assert.equal(b.list(maps).length, 0);
  assert.equal(b.get(resources.namespaces, 'n'), undefined);
  await b.stop();
});

test('namespace: a group does not answer, a deletion fails: it stays, and says why', async () => {
  const b = await start();
  b.client.served = [...b.client.served, { ...onlyOne, group: 'away.io', isStale: true }];
  await add(b, maps, 'a');
  b.client.intercept = ({ verb }) => {
    if (verb === 'deletecollection') throw new Error('no luck');
  };
  await b.of(resources.namespaces, '').delete('n');
  await b.pass(5000);
  assert.deepEqual(conditions(b), [
    'NamespaceDeletionDiscoveryFailure DiscoveryFailed: Discovery failed for some groups, 1 failing: away.io/v1',
    'NamespaceDeletionContentFailure ContentDeletionFailed: Failed to delete all resource types, 1 remaining: no luck',
  ]);
  b.client.intercept = undefined;
  b.client.served = b.client.served.filter((k) => !k.isStale);
  await b.pass(30_000);
  assert.equal(b.get(resources.namespaces, 'n'), undefined);
  await b.stop();
});

test('namespace: found in deletion at start: finished', async () => {
  const b = await start({ prepare: (client) => client.resource(resources.namespaces).delete('n') });
  await b.pass(5000);
  assert.equal(b.get(resources.namespaces, 'n'), undefined);
  assert.ok(b.get(resources.namespaces, 'other'));
  await b.stop();
});
