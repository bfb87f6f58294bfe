import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject, OwnerReference } from '#apimachinery/object.ts';
import type { FakeServedKind } from '#client/testing/fake-discovery.ts';
import { type Bench, type BenchOptions, bench } from '../testing/fixtures.ts';
import { garbageCollector } from './garbage-collector.ts';

const owners: FakeServedKind = { group: 'apps', version: 'v1', resource: 'owners', kind: 'Owner', namespaced: true };
const things: FakeServedKind = { group: '', version: 'v1', resource: 'things', kind: 'Thing', namespaced: true };
const worlds: FakeServedKind = { group: '', version: 'v1', resource: 'worlds', kind: 'World', namespaced: false };
const customs: FakeServedKind = {
  group: 'example.com',
  version: 'v1',
  resource: 'customs',
  kind: 'Custom',
  namespaced: true,
};
const apiVersionOf = (kind: FakeServedKind) => (kind.group ? `${kind.group}/${kind.version}` : kind.version);

function start(options: BenchOptions = {}): Promise<Bench> {
  return bench([garbageCollector], {
    ...options,
    prepare: async (client) => {
      client.served = [owners, things, worlds];
      await options.prepare?.(client);
    },
  });
}

function object(kind: FakeServedKind, name: string, of: readonly OwnerReference[] = [], more: object = {}): KubeObject {
  const metadata = { name, ...(of.length > 0 && { ownerReferences: [...of] }), ...more };
  return { apiVersion: apiVersionOf(kind), kind: kind.kind, metadata };
}

function reference(owner: KubeObject, blockOwnerDeletion = false): OwnerReference {
  const { apiVersion, kind, metadata } = owner;
  return { apiVersion: apiVersion!, kind: kind!, name: metadata.name!, uid: metadata.uid!, blockOwnerDeletion };
}

const create = (b: Bench, kind: FakeServedKind, name: string, of?: readonly OwnerReference[], more?: object) =>
  b.of(kind, kind.namespaced ? 'default' : '').create(object(kind, name, of, more));
const names = (b: Bench, kind: FakeServedKind) =>
  b
    .list(kind)
    .map((o) => o.metadata.name)
    .sort();

test('gc: background: an owner goes, then all below it', async () => {
  const b = await start();
  const top = await create(b, owners, 'top');
  const middle = await create(b, owners, 'middle', [reference(top)]);
  await create(b, things, 'leaf', [reference(middle)]);
  await create(b, things, 'free');
  await b.pass();
  await b.of(owners).delete('top', { propagationPolicy: 'Background' });
  await b.pass();
  assert.deepEqual([names(b, owners), names(b, things)], [[], ['free']]);
  await b.stop();
});

test('gc: orphan: the dependents stay, without their owner', async () => {
  const b = await start();
  const top = await create(b, owners, 'top');
  await create(b, things, 'leaf', [reference(top, true)]);
  await b.pass();
  await b.of(owners).delete('top', { propagationPolicy: 'Orphan' });
  await b.pass();
  assert.deepEqual([names(b, owners), names(b, things)], [[], ['leaf']]);
  assert.deepEqual(b.get(things, 'default/leaf')!.metadata.ownerReferences, []);
  await b.stop();
});

test('gc: foreground: the owner waits for those that block it, and for no others', async () => {
  const b = await start();
  const top = await create(b, owners, 'top');
  await create(b, things, 'blocking', [reference(top, true)], { finalizers: ['example.com/hold'] });
  await create(b, things, 'loose', [reference(top)], { finalizers: ['example.com/hold'] });
  await b.pass();
  await b.of(owners).delete('top', { propagationPolicy: 'Foreground' });
  await b.pass(5000);
  assert.deepEqual(names(b, owners), ['top']);
  for (const name of ['blocking', 'loose'])
    assert.ok(b.get(things, `default/${name}`)!.metadata.deletionTimestamp, name);
  await b.of(things).patch('blocking', 'application/merge-patch+json', { metadata: { finalizers: [] } });
  await b.pass();
  assert.deepEqual([names(b, owners), names(b, things)], [[], ['loose']]);
  await b.stop();
});

test('gc: foreground over two levels: from the leaves up', async () => {
  const b = await start();
  const order: string[] = [];
  const top = await create(b, owners, 'top');
  const middle = await create(b, owners, 'middle', [reference(top, true)]);
  await create(b, things, 'leaf', [reference(middle, true)]);
  await b.pass();
  b.client.intercept = () => {
    for (const name of ['top', 'middle', 'leaf']) {
      const isThere = b.get(owners, `default/${name}`) ?? b.get(things, `default/${name}`);
      if (!isThere && !order.includes(name)) order.push(name);
    }
  };
  await b.of(owners).delete('top', { propagationPolicy: 'Foreground' });
  await b.pass();
  await b.of(owners).list();
  assert.deepEqual(order, ['leaf', 'middle', 'top']);
  await b.stop();
});

test('gc: foreground: a dependent that lets go of its owner: no longer waited for', async () => {
  const b = await start();
  const top = await create(b, owners, 'top');
  await create(b, things, 'leaf', [reference(top, true)], { finalizers: ['example.com/hold'] });
  await b.pass();
  await b.of(owners).delete('top', { propagationPolicy: 'Foreground' });
  await b.pass();
  await b.of(things).patch('leaf', 'application/merge-patch+json', { metadata: { ownerReferences: [] } });
  await b.pass();
  assert.deepEqual(names(b, owners), []);
  await b.stop();
});

test('gc: foreground in a circle: does not wait for itself', async () => {
  const b = await start();
  const a = await create(b, owners, 'a');
  const c = await create(b, owners, 'c', [reference(a, true)]);
  await b
    .of(owners)
    .patch('a', 'application/merge-patch+json', { metadata: { ownerReferences: [reference(c, true)] } });
  await b.pass();
  await b.of(owners).delete('a', { propagationPolicy: 'Foreground' });
  await b.pass(10_000);
  assert.deepEqual(names(b, owners), []);
  await b.stop();
});

test('gc: one of two owners goes: the dependent stays, and only that reference is taken off', async () => {
  const b = await start();
  const [first, second] = [await create(b, owners, 'first'), await create(b, owners, 'second')];
  await create(b, things, 'leaf', [reference(first), reference(second)]);
  await b.pass();
  await b.of(owners).delete('first');
  await b.pass();
  assert.deepEqual(
    b.get(things, 'default/leaf')!.metadata.ownerReferences!.map((o) => o.name),
    ['second'],
  );
  await b.stop();
});

test('gc: made with an owner that is gone, or of another uid: collected', async () => {
  const b = await start();
  const top = await create(b, owners, 'top');
  await create(b, things, 'absent', [{ ...reference(top), name: 'nobody', uid: 'nobody' }]);
  await create(b, things, 'namesake', [{ ...reference(top), uid: 'earlier-life' }]);
  await create(b, things, 'owned', [reference(top)]);
  await b.pass();
  assert.deepEqual(names(b, things), ['owned']);
  await b.stop();
});

test('gc: an owner in another namespace: does not count, and an event says so', async () => {
  const b = await start();
  const top = await create(b, owners, 'top');
  await b.pass();
  await b.of(things, 'other').create(object(things, 'leaf', [reference(top)]));
  await b.pass();
  assert.deepEqual(names(b, things), []);
  assert.match(b.events[0]!, /^Warning OwnerRefInvalidNamespace ownerRef .* does not exist in namespace "other"/);
  await b.stop();
});

test('gc: a cluster-scoped object with a namespaced owner: never collected', async () => {
  const b = await start();
  const top = await create(b, owners, 'top');
  await create(b, worlds, 'world', [reference(top)]);
  await b.pass();
  await b.of(owners).delete('top');
  await b.pass(5000);
  assert.deepEqual(names(b, worlds), ['world']);
  await b.stop();
});

test('gc: a namespaced object with a cluster-scoped owner: collected with it', async () => {
  const b = await start();
  const world = await create(b, worlds, 'world');
  await create(b, things, 'leaf', [reference(world)]);
  await b.pass();
  assert.deepEqual(names(b, things), ['leaf']);
  await b.of(worlds, '').delete('world');
  await b.pass();
  assert.deepEqual(names(b, things), []);
  await b.stop();
});

test('gc: an owner of a kind that is not served: solid until it is served and the owner is not there', async () => {
  const b = await start();
  const custom = { apiVersion: 'example.com/v1', kind: 'Custom', uid: 'c' };
  await create(b, things, 'leaf', [{ ...custom, name: 'gone' }]);
  await b.pass(60_000);
  assert.deepEqual(names(b, things), ['leaf']);
  b.client.served = [...b.client.served, customs];
  await b.pass(31_000);
  assert.deepEqual(names(b, things), []);
  await b.stop();
});

test('gc: custom kinds: watched once discovered, let go once gone', async () => {
  const b = await start();
  b.client.served = [...b.client.served, customs];
  await b.pass(31_000);
  const custom = await create(b, customs, 'c');
  await create(b, things, 'leaf', [reference(custom)]);
  await b.pass();
  await b.of(customs).delete('c');
  await b.pass();
  assert.deepEqual(names(b, things), []);
  b.client.served = b.client.served.filter((k) => k !== customs);
  await b.pass(31_000);
  b.client.actions.length = 0;
  b.client.breakWatches();
  await b.pass(10_000);
  assert.ok(b.client.actions.length > 0);
  assert.deepEqual(
    b.client.actions.filter((a) => a.gvr.resource === 'customs'),
    [],
  );
  await b.stop();
});

test('gc: a group that does not answer: its dependents are let be, the others are collected', async () => {
  const b = await start({
    prepare: async (client) => {
      client.served = [owners, things, { ...customs, isStale: true }];
    },
  });
  const top = await create(b, owners, 'top');
  await create(b, things, 'leaf', [reference(top)]);
  await create(b, things, 'kept', [{ apiVersion: 'example.com/v1', kind: 'Custom', name: 'x', uid: 'x' }]);
  await b.pass();
  await b.of(owners).delete('top');
  await b.pass();
  assert.deepEqual(names(b, things), ['kept']);
  await b.stop();
});

test('gc: many dependents of a solid owner, at start and at rest: nothing is read', async () => {
  const b = await start({
    prepare: async (client) => {
      const api = client.resource(things, 'default');
      const top = await client.resource(owners, 'default').create(object(owners, 'top'));
      for (let i = 0; i < 50; i++) await api.create(object(things, `t${i}`, [reference(top)]));
    },
  });
  await b.pass(1000);
  for (let i = 0; i < 50; i++) await b.of(things).patch(`t${i}`, 'application/merge-patch+json', { data: { a: 'b' } });
  await b.pass(10 * 60_000);
  assert.deepEqual(
    b.client.actions.filter((a) => a.verb === 'get'),
    [],
  );
  await b.stop();
});

test('gc: many dependents of one that is gone: the owner is asked for once', async () => {
  const b = await start();
  const top = await create(b, owners, 'top');
  for (let i = 0; i < 50; i++) await create(b, things, `t${i}`, [reference(top)]);
  await b.pass();
  b.client.actions.length = 0;
  await b.of(owners).delete('top');
  await b.pass();
  assert.deepEqual(names(b, things), []);
  const asked = b.client.actions.filter((a) => a.verb === 'get' && a.gvr.resource === 'owners');
  assert.ok(asked.length <= 5, `${asked.length} times`);
  await b.stop();
});

test('gc: an owner given while the deletion is on its way: the object stays', async () => {
  const b = await start();
  const [first, second] = [await create(b, owners, 'first'), await create(b, owners, 'second')];
  await create(b, things, 'leaf', [reference(first)]);
  await b.pass();
  let isGiven = false;
  b.client.intercept = async ({ verb, gvr }) => {
    if (verb !== 'delete' || gvr.resource !== 'things' || isGiven) return;
    isGiven = true;
    const ownerReferences = [reference(first), reference(second)];
    await b.of(things).patch('leaf', 'application/merge-patch+json', { metadata: { ownerReferences } });
  };
  await b.of(owners).delete('first');
  await b.pass(5000);
  assert.equal(isGiven, true);
  assert.deepEqual(
    b.get(things, 'default/leaf')!.metadata.ownerReferences!.map((o) => o.name),
    ['second'],
  );
  await b.stop();
});
