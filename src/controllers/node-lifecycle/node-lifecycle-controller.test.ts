import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '#apimachinery/object.ts';
import { type Node, type Pod, resources } from '../resources.ts';
import { type Bench, bench, node, pod, readyStatus } from '../testing/fixtures.ts';
import { nodeLifecycleController } from './node-lifecycle-controller.ts';

const since = '2025-12-01T00:00:00Z';
const unreachable = 'node.kubernetes.io/unreachable';
const healthy: Node['status'] & object = {
  conditions: [
    { type: 'MemoryPressure', status: 'False', lastHeartbeatTime: since },
    { type: 'Ready', status: 'True', lastHeartbeatTime: since },
    { type: 'NetworkUnavailable', status: 'False' },
    { type: 'example.com/Disk', status: 'False' },
  ],
};
const lease = (name: string) => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name },
  spec: { renewTime: 0 },
});
const tolerate = (tolerationSeconds?: number) => ({
  tolerations: [
    {
      key: unreachable,
      operator: 'Exists',
      effect: 'NoExecute',
      ...(tolerationSeconds !== undefined && { tolerationSeconds }),
    },
  ],
});

/** Two nodes with pods on the first; `beat` renews the Leases of those named while time passes. */
async function start() {
  const b = await bench([nodeLifecycleController], {
    prepare: async (client) => {
      for (const name of ['n1', 'n2']) {
        await client.resource(resources.nodes).create({ ...node(name), status: structuredClone(healthy) });
        await client.resource(resources.leases, 'kube-node-lease').create(lease(name));
      }
    },
  });
  const beat = async (names: string[], ms: number) => {
    for (let left = ms; left > 0; left -= 10_000) {
      for (const name of names) {
        await b
          .of(resources.leases, 'kube-node-lease')
          .patch(name, 'application/merge-patch+json', { spec: { renewTime: b.clock.now() } });
      }
      await b.pass(Math.min(10_000, left));
    }
  };
  const run = (name: string, spec: object = {}) =>
    b.of(resources.pods).create(pod(name, { spec: { nodeName: 'n1', ...spec }, status: readyStatus(since) }));
  return { b, beat, run };
}
const taints = (b: Bench, name = 'n1') =>
  (b.get<Node>(resources.nodes, name)!.spec!.taints ?? []).map((t) => `${t.key.split('/')[1]}:${t.effect}`).sort();
const states = (b: Bench) =>
  b.get<Node>(resources.nodes, 'n1')!.status!.conditions!.map((c) => `${c.type}=${c.status}`);
const podNames = (b: Bench) =>
  b
    .list(resources.pods)
    .map((p) => p.metadata.name)
    .sort();

test('node lifecycle: a silent node: unknown, tainted, its pods not ready, and gone when their time is up', async () => {
  const { b, beat, run } = await start();
  await run('patient', tolerate(300));
  await run('forever', tolerate());
  await run('impatient', tolerate(0));
  await beat(['n1', 'n2'], 60_000);
  assert.deepEqual(taints(b), []);
  await beat(['n2'], 60_000);
  assert.deepEqual(states(b), [
    'MemoryPressure=Unknown',
    'Ready=Unknown',
    'NetworkUnavailable=False',
    'example.com/Disk=False',
    'DiskPressure=Unknown',
    'PIDPressure=Unknown',
  ]);
  const ready = b.get<Node>(resources.nodes, 'n1')!.status!.conditions!.find((c) => c.type === 'Ready')!;
  assert.deepEqual([ready.reason, ready.message], ['NodeStatusUnknown', 'Kubelet stopped posting node status.']);
  assert.deepEqual(taints(b), ['unreachable:NoExecute', 'unreachable:NoSchedule']);
  assert.deepEqual(taints(b, 'n2'), []);
  assert.deepEqual(podNames(b), ['forever', 'patient']);
  const condition = b.get<Pod>(resources.pods, 'default/patient')!.status!.conditions!.find((c) => c.type === 'Ready')!;
  assert.equal(condition.status, 'False');
  assert.ok(b.events.includes('Normal NodeNotReady Node n1 status is now: NodeNotReady'));
  assert.ok(b.events.includes('Normal TaintManagerEviction Marking for deletion Pod default/impatient'));
  await beat(['n2'], 200_000);
  assert.deepEqual(podNames(b), ['forever', 'patient']);
  await beat(['n2'], 100_000);
  assert.deepEqual(podNames(b), ['forever']);
  await b.stop();
});

test('node lifecycle: an evicted pod: says before it goes that it was disrupted', async () => {
  const { b, beat, run } = await start();
  await run('p', tolerate(0));
  await b
    .of(resources.pods)
    .patch('p', 'application/merge-patch+json', { metadata: { finalizers: ['example.com/hold'] } });
  await beat(['n2'], 70_000);
  const found = b.get<Pod>(resources.pods, 'default/p')!;
  assert.ok(found.metadata.deletionTimestamp);
  const condition = found.status!.conditions!.find((c) => c.type === 'DisruptionTarget');
  assert.deepEqual([condition?.status, condition?.reason], ['True', 'DeletionByTaintManager']);
  await b.stop();
});

test('node lifecycle: it is heard again: taints off at once, and nobody is evicted any more', async () => {
  const { b, beat, run } = await start();
  await run('patient', tolerate(300));
  await beat(['n2'], 100_000);
  assert.equal(taints(b).length, 2);
  const conditions = healthy.conditions!.map((c) => ({ ...c, lastHeartbeatTime: '2026-01-01T00:02:00Z' }));
  await b.setStatus(resources.nodes, 'n1', { conditions });
  await b
    .of(resources.leases, 'kube-node-lease')
    .patch('n1', 'application/merge-patch+json', { spec: { renewTime: 'now' } });
  await b.pass(200);
  assert.deepEqual(taints(b), []);
  await beat(['n1', 'n2'], 400_000);
  assert.deepEqual(podNames(b), ['patient']);
  assert.deepEqual(
    states(b).filter((s) => s.includes('Unknown')),
    [],
  );
  await b.stop();
});

test('node lifecycle: no node is heard: unknown, but nothing is evicted, for the fault may be ours', async () => {
  const { b, run } = await start();
  await run('impatient', { tolerations: [] });
  await b.pass(10 * 60_000);
  assert.deepEqual(taints(b), ['unreachable:NoSchedule']);
  assert.deepEqual(podNames(b), ['impatient']);
  await b.stop();
});

test('node lifecycle: what a kubelet says of itself, and cordoning: taints without delay', async () => {
  const { b } = await start();
  const say = (type: string, status: string) =>
    b.setStatus(resources.nodes, 'n1', {
      conditions: [
        { type: 'Ready', status: 'True' },
        { type, status },
      ].slice(type === 'Ready' ? 1 : 0),
    });
  await say('MemoryPressure', 'True');
  await b.pass();
  assert.deepEqual(taints(b), ['memory-pressure:NoSchedule']);
  await say('Ready', 'False');
  await b.pass();
  assert.deepEqual(taints(b), ['not-ready:NoExecute', 'not-ready:NoSchedule']);
  await b.setStatus(resources.nodes, 'n1', healthy);
  await b.of(resources.nodes, '').patch('n1', 'application/merge-patch+json', { spec: { unschedulable: true } });
  await b.pass();
  assert.deepEqual(taints(b), ['unschedulable:NoSchedule']);
  await b.stop();
});

test('node lifecycle: a node that never spoke: given longer to start', async () => {
  const { b, beat } = await start();
  await b
    .of(resources.nodes, '')
    .create({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1b' }, spec: {} } as KubeObject);
  await beat(['n1', 'n2'], 50_000);
  assert.equal(b.get<Node>(resources.nodes, 'n1b')!.status, undefined);
  await beat(['n1', 'n2'], 20_000);
  const ready = b.get<Node>(resources.nodes, 'n1b')!.status!.conditions!.find((c) => c.type === 'Ready')!;
  assert.deepEqual([ready.status, ready.reason], ['Unknown', 'NodeStatusNeverUpdated']);
  await b.stop();
});

test('node lifecycle: healthy nodes: no request, however often they are looked at', async () => {
  const { b, beat, run } = await start();
  await run('p');
  await b.pass();
  b.client.actions.length = 0;
  await beat(['n1', 'n2'], 5 * 60_000);
  assert.deepEqual(
    b.client.actions.filter((a) => a.gvr.resource !== 'leases'),
    [],
  );
  await b.stop();
});

test('node lifecycle: a pod put on a tainted node: evicted without a change of the node', async () => {
  const { b, beat, run } = await start();
  await beat(['n2'], 60_000);
  await run('late', { tolerations: [] });
  await b.pass();
  assert.deepEqual(podNames(b), []);
  await b.stop();
});
