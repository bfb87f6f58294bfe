import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '#apimachinery/object.ts';
import { resources } from '../resources.ts';
import { type Bench, bench, pod, readyStatus, service } from '../testing/fixtures.ts';
import { endpointsController } from './endpoints-controller.ts';
import type { Subset } from './subsets.ts';

const since = '2025-12-01T00:00:00Z';
const running = (podIP: string, isReady = true) => ({
  ...readyStatus(since, { podIP }),
  ...(!isReady && { conditions: [{ type: 'Ready', status: 'False' }] }),
});
const endpoints = (b: Bench, name = 'web') =>
  b.get<KubeObject & { subsets: Subset[] }>(resources.endpoints, `default/${name}`);
/** `10.0.0.1,-10.0.0.2:80,443`: a dash for not ready. */
const subsets = (b: Bench, name?: string) =>
  (endpoints(b, name)?.subsets ?? []).map((s) => {
    const ips = [...(s.addresses ?? []).map((a) => a.ip), ...(s.notReadyAddresses ?? []).map((a) => `-${a.ip}`)];
    return `${ips.join()}:${(s.ports ?? []).map((p) => p.port).join()}`;
  });
const start = () => bench([endpointsController], { isGraceful: (o) => o.kind === 'Pod' });

test('endpoints: ready and not ready pods: apart, with node and pod; ended, stopping and foreign ones not at all', async () => {
  const b = await start();
  const pods = b.of(resources.pods);
  const onNode = { nodeName: 'n1', hostname: 'h', subdomain: 'web' };
  const a = await pods.create(pod('a', { spec: onNode, status: running('10.1.0.1') }));
  await pods.create(pod('b', { status: running('10.1.0.2', false) }));
  await pods.create(pod('c', { status: { ...running('10.1.0.3'), phase: 'Succeeded' } }));
  await pods.create(pod('d', { status: running('10.1.0.4') }));
  await pods.delete('d');
  await pods.create(pod('e', { status: { phase: 'Pending' } }));
  await pods.create(pod('f', { metadata: { labels: { app: 'x' } }, status: running('10.1.0.5') }));
  await b.of(resources.services).create(service('web'));
  await b.pass();
  assert.deepEqual(subsets(b), ['10.1.0.1,-10.1.0.2:80']);
  assert.deepEqual(endpoints(b)!.subsets[0]!.addresses, [
    {
      ip: '10.1.0.1',
      hostname: 'h',
      nodeName: 'n1',
      targetRef: { kind: 'Pod', namespace: 'default', name: 'a', uid: a.metadata.uid },
    },
  ]);
  assert.deepEqual(endpoints(b)!.metadata.labels, { 'endpoints.kubernetes.io/managed-by': 'endpoint-controller' });
  await b.stop();
});

test('endpoints: named ports: resolved by each pod, ports with the same addresses together', async () => {
  const b = await start();
  const withPort = (containerPort: number) => ({
    containers: [{ name: 'app', ports: [{ name: 'http', containerPort }] }],
  });
  await b.of(resources.pods).create(pod('a', { spec: withPort(8080), status: running('10.1.0.1') }));
  await b.of(resources.pods).create(pod('b', { spec: withPort(9090), status: running('10.1.0.2') }));
  await b.of(resources.pods).create(pod('c', { status: running('10.1.0.3') }));
  await b.of(resources.services).create(
    service('web', {
      ports: [
        { name: 'web', port: 80, targetPort: 'http' },
        { name: 'm', port: 81 },
        { name: 'n', port: 82 },
      ],
    }),
  );
  await b.pass();
  assert.deepEqual(subsets(b).sort(), ['10.1.0.1,10.1.0.2,10.1.0.3:81,82', '10.1.0.1:8080', '10.1.0.2:9090']);
  await b.stop();
});

test('endpoints: headless without ports, and addresses published before they are ready', async () => {
  const b = await start();
  await b.of(resources.pods).create(pod('a', { status: running('10.1.0.1', false) }));
  await b
    .of(resources.services)
    .create(service('web', { clusterIP: 'None', ports: [], publishNotReadyAddresses: true }));
  await b.pass();
  assert.deepEqual(subsets(b), ['10.1.0.1:']);
  assert.equal(endpoints(b)!.metadata.labels!['service.kubernetes.io/headless'], '');
  await b.of(resources.pods).delete('a');
  await b.pass();
  assert.deepEqual(subsets(b), ['10.1.0.1:']);
  await b.stop();
});

test('endpoints: written only for what concerns them', async () => {
  const b = await start();
  await b.of(resources.services).create(service('web'));
  await b.of(resources.services).create(service('other', { selector: { app: 'other' } }));
  await b.of(resources.services).create(service('manual', { selector: {} }));
  await b.of(resources.pods).create(pod('a', { status: running('10.1.0.1') }));
  await b.pass();
  assert.deepEqual(
    b
      .writes()
      .filter((w) => w.endsWith('endpoints'))
      .sort(),
    ['create endpoints', 'create endpoints', 'update endpoints'],
  );
  await b.setStatus(resources.pods, 'default/a', { containerStatuses: [{ restartCount: 3 }] });
  await b.pass();
  b.client.breakWatches();
  await b.pass(60_000);
  assert.deepEqual(b.writes(), []);
  // It moves from one Service to the other.
  await b.of(resources.pods).patch('a', 'application/merge-patch+json', { metadata: { labels: { app: 'other' } } });
  await b.pass();
  assert.deepEqual(b.writes(), ['patch pods', 'update endpoints', 'update endpoints']);
  assert.deepEqual([subsets(b), subsets(b, 'other')], [[], ['10.1.0.1:80']]);
  assert.equal(endpoints(b, 'manual'), undefined);
  await b.stop();
});

test('endpoints: more than a thousand: cut off, the ready kept, and it says so', async () => {
  const b = await start();
  for (let i = 0; i < 1010; i++) {
    b.client.write(
      resources.pods,
      pod(`p${i}`, { metadata: { uid: `u${i}` }, status: running(`10.1.${i >> 8}.${i & 255}`, i >= 20) }),
    );
  }
  await b.of(resources.services).create(service('web'));
  await b.pass();
  const [subset] = endpoints(b)!.subsets;
  assert.deepEqual([subset!.addresses!.length, subset!.notReadyAddresses!.length], [990, 10]);
  assert.equal(endpoints(b)!.metadata.annotations!['endpoints.kubernetes.io/over-capacity'], 'truncated');
  await b.stop();
});

test('endpoints: deleted by hand: made again; the Service deleted: gone, also when nobody was watching', async () => {
  const left = {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name: 'left', labels: { 'endpoints.kubernetes.io/managed-by': 'endpoint-controller' } },
  };
  const foreign = { apiVersion: 'v1', kind: 'Endpoints', metadata: { name: 'foreign' } };
  const b = await bench([endpointsController], {
    prepare: async (client) => {
      await client.resource(resources.endpoints, 'default').create(left);
      await client.resource(resources.endpoints, 'default').create(foreign);
    },
  });
  assert.equal(endpoints(b, 'left'), undefined);
  assert.ok(endpoints(b, 'foreign'));
  await b.of(resources.services).create(service('web'));
  await b.pass();
  await b.of(resources.endpoints).delete('web');
  await b.pass();
  assert.ok(endpoints(b));
  await b.of(resources.services).delete('web');
  await b.pass();
  assert.equal(endpoints(b), undefined);
  await b.stop();
});
