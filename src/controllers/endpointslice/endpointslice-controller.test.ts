import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resources } from '../resources.ts';
import { type Bench, bench, node, pod, readyStatus, service } from '../testing/fixtures.ts';
import { endpointSliceController } from './endpointslice-controller.ts';
import type { EndpointSlice } from './slice.ts';

const since = '2025-12-01T00:00:00Z';
const running = (podIP: string, isReady = true) => ({
  ...readyStatus(since, { podIP }),
  ...(!isReady && { conditions: [{ type: 'Ready', status: 'False' }] }),
});
const slices = (b: Bench) => b.list<EndpointSlice>(resources.endpointslices);
/** Each slice's addresses, in no order of meaning. */
const addresses = (b: Bench) => slices(b).map((s) => s.endpoints.map((e) => e.addresses[0]).sort());
const start = () => bench([endpointSliceController], { isGraceful: (o) => o.kind === 'Pod' });
const writeNumbered = (b: Bench, from: number, to: number) => {
  for (let i = from; i < to; i++) {
    const name = `p${String(i).padStart(4, '0')}`;
    b.client.write(
      resources.pods,
      pod(name, { metadata: { uid: name }, status: running(`10.1.${i >> 8}.${i & 255}`) }),
    );
  }
};

test('endpointslice: ready, not ready, stopping: said of each; labels, owner, zone and ports', async () => {
  const b = await start();
  const n1 = node('n1');
  n1.metadata.labels = { 'topology.kubernetes.io/zone': 'z1' };
  await b.client.resource(resources.nodes).create(n1);
  await b.of(resources.pods).create(pod('a', { spec: { nodeName: 'n1' }, status: running('10.1.0.1') }));
  await b.of(resources.pods).create(pod('b', { status: running('10.1.0.2', false) }));
  await b.of(resources.pods).create(pod('c', { status: running('10.1.0.3') }));
  await b.of(resources.pods).delete('c');
  const created = await b.of(resources.services).create(service('web', { clusterIP: 'None' }));
  await b.pass();
  const [slice] = slices(b);
  assert.match(slice!.metadata.name!, /^web-/);
  assert.deepEqual(slice!.metadata.labels, {
    'kubernetes.io/service-name': 'web',
    'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
    'service.kubernetes.io/headless': '',
  });
  assert.equal(slice!.metadata.ownerReferences![0]!.uid, created.metadata.uid);
  assert.equal(slice!.addressType, 'IPv4');
  assert.deepEqual(slice!.ports, [{ name: '', port: 80, protocol: 'TCP' }]);
  const states = slice!.endpoints.map((e) => [e.addresses[0], ...Object.values(e.conditions)]);
  assert.deepEqual(states, [
    ['10.1.0.1', true, true, false],
    ['10.1.0.2', false, false, false],
    ['10.1.0.3', false, true, true],
  ]);
  assert.deepEqual([slice!.endpoints[0]!.nodeName, slice!.endpoints[0]!.zone], ['n1', 'z1']);
  await b.stop();
});

test('endpointslice: published before ready: ready for connections, yet not serving', async () => {
  const b = await start();
  await b.of(resources.pods).create(pod('a', { status: running('10.1.0.1', false) }));
  await b.of(resources.services).create(service('web', { publishNotReadyAddresses: true }));
  await b.pass();
  assert.deepEqual(slices(b)[0]!.endpoints[0]!.conditions, { ready: true, serving: false, terminating: false });
  await b.stop();
});

test('endpointslice: two address families: a slice of each', async () => {
  const b = await start();
  const podIPs = [{ ip: '10.1.0.1' }, { ip: 'fd00::1' }];
  await b.of(resources.pods).create(pod('a', { status: { ...running('10.1.0.1'), podIPs } }));
  await b.of(resources.services).create(service('web', { ipFamilies: ['IPv4', 'IPv6'] }));
  await b.pass();
  assert.deepEqual(
    slices(b)
      .map((s) => [s.addressType, s.endpoints[0]!.addresses])
      .sort(),
    [
      ['IPv4', ['10.1.0.1']],
      ['IPv6', ['fd00::1']],
    ],
  );
  await b.stop();
});

test('endpointslice: named ports: pods that serve them differently in slices of their own', async () => {
  const b = await start();
  const withPort = (containerPort: number) => ({
    containers: [{ name: 'app', ports: [{ name: 'http', containerPort }] }],
  });
  await b.of(resources.pods).create(pod('a', { spec: withPort(8080), status: running('10.1.0.1') }));
  await b.of(resources.pods).create(pod('b', { spec: withPort(9090), status: running('10.1.0.2') }));
  await b.of(resources.services).create(service('web', { ports: [{ name: 'web', port: 80, targetPort: 'http' }] }));
  await b.pass();
  assert.deepEqual(
    slices(b)
      .map((s) => [s.ports![0]!.port, s.endpoints.length])
      .sort(),
    [
      [8080, 1],
      [9090, 1],
    ],
  );
  await b.stop();
});

test('endpointslice: more than a hundred: two slices, and one pod more or less is one write', async () => {
  const b = await start();
  writeNumbered(b, 1, 151);
  await b.of(resources.services).create(service('web'));
  await b.pass();
  assert.deepEqual(
    slices(b)
      .map((s) => s.endpoints.length)
      .sort(),
    [100, 50],
  );
  b.writes();
  // By name it comes before all others.
  writeNumbered(b, 0, 1);
  await b.pass();
  assert.deepEqual(b.writes(), ['update endpointslices']);
  await b.setStatus(resources.pods, 'default/p0007', running('10.1.0.7', false));
  await b.pass();
  assert.deepEqual(b.writes(), ['update endpointslices']);
  assert.equal(new Set(addresses(b).flat()).size, 151);
  await b.stop();
});

test('endpointslice: a change that does not concern it: no write; at rest: no request', async () => {
  const b = await start();
  await b.of(resources.services).create(service('web'));
  await b.of(resources.pods).create(pod('a', { status: running('10.1.0.1') }));
  await b.of(resources.pods).create(pod('x', { metadata: { labels: { app: 'x' } } }));
  await b.pass();
  b.client.actions.length = 0;
  await b.setStatus(resources.pods, 'default/a', { containerStatuses: [{ restartCount: 3 }] });
  await b.setStatus(resources.pods, 'default/x', running('10.1.0.9'));
  await b.pass(10 * 60_000);
  assert.deepEqual(b.client.actions, []);
  await b.stop();
});

test('endpointslice: no pods, then one, then none: one slice that empties', async () => {
  const b = await start();
  await b.of(resources.services).create(service('web'));
  await b.pass();
  assert.deepEqual(addresses(b), [[]]);
  await b.of(resources.pods).create(pod('a', { status: running('10.1.0.1') }));
  await b.pass();
  assert.deepEqual(addresses(b), [['10.1.0.1']]);
  await b.of(resources.pods).delete('a', { gracePeriodSeconds: 0 });
  await b.pass(20_000);
  assert.deepEqual(addresses(b), [[]]);
  await b.stop();
});

test('endpointslice: a pod that moves: leaves one Service for the other', async () => {
  const b = await start();
  await b.of(resources.services).create(service('web'));
  await b.of(resources.services).create(service('other', { selector: { app: 'other' } }));
  await b.of(resources.pods).create(pod('a', { status: running('10.1.0.1') }));
  await b.pass();
  await b.of(resources.pods).patch('a', 'application/merge-patch+json', { metadata: { labels: { app: 'other' } } });
  await b.pass(20_000);
  const holders = slices(b).filter((s) => s.endpoints.length > 0);
  assert.deepEqual(
    holders.map((s) => s.metadata.labels!['kubernetes.io/service-name']),
    ['other'],
  );
  await b.stop();
});

test('endpointslice: informers that are slow to show slices: none is made twice', async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const b = await start();
  let isHeld = true;
  b.client.intercept = ({ verb, gvr }) =>
    isHeld && verb === 'watch' && gvr.resource === 'endpointslices' ? held : undefined;
  b.client.breakWatches();
  await b.pass();
  await b.of(resources.services).create(service('web'));
  await b.pass();
  await b.of(resources.pods).create(pod('a', { status: running('10.1.0.1') }));
  await b.pass(5000);
  assert.equal(slices(b).length, 1);
  isHeld = false;
  release();
  await b.pass(1000);
  assert.deepEqual(addresses(b), [['10.1.0.1']]);
  await b.stop();
});

test('endpointslice: changed or deleted by hand: put right; a Service without a selector: let be', async () => {
  const b = await start();
  await b.of(resources.pods).create(pod('a', { status: running('10.1.0.1') }));
  await b.of(resources.services).create(service('web'));
  await b.of(resources.services).create(service('manual', { selector: {} }));
  await b.pass();
  const [slice] = slices(b);
  await b.of(resources.endpointslices).update({ ...slice!, endpoints: [] });
  await b.pass();
  assert.deepEqual(addresses(b), [['10.1.0.1']]);
  await b.of(resources.endpointslices).delete(slice!.metadata.name!);
  await b.pass();
  assert.deepEqual(addresses(b), [['10.1.0.1']]);
  await b.stop();
});
