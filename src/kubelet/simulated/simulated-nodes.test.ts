import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { silentLogger } from '#base/log.ts';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { FakeClient } from '#client/testing/fake-client.ts';
import type { Pod } from '../pod.ts';
import { simulatedNodes } from './simulated-nodes.ts';

const podsResource = { group: '', version: 'v1', resource: 'pods' };
const nodesResource = { group: '', version: 'v1', resource: 'nodes' };
const leasesResource = { group: 'coordination.k8s.io', version: 'v1', resource: 'leases' };

async function begin(t: TestContext, count = 2, client = new FakeClient()) {
  const clock = new FakeClock();
  const stop = new AbortController();
  const common = { labels: {}, taints: [], maxPods: 110, statusUpdateMs: 10_000, random: () => 0.5, log: silentLogger };
  const running = simulatedNodes({ client, count, prefix: 'node', clock, ...common }).run(stop.signal);
  t.after(async () => {
    stop.abort();
    await running;
    assert.equal(clock.pendingTimers, 0);
  });
  await clock.advance(10);
  const pods = client.resource<Pod>(podsResource, 'default');
  const create = async (name: string, spec: Partial<Pod['spec']> = {}, metadata: object = {}) => {
    const containers = [{ name: 'c', image: 'nginx' }];
    await pods.create({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, ...metadata },
      spec: { nodeName: 'node1', containers, ...spec },
    });
    await clock.advance(10);
    return pods.get(name);
  };
  const conditionOf = (pod: Pod, type: string) => pod.status?.conditions?.find((c) => c.type === type);
  const leases = client.resource(leasesResource, 'kube-node-lease');
  return { client, clock, pods, create, conditionOf, leases, nodes: client.resource(nodesResource) };
}

test('simulated nodes: register, ready, with a lease each', async (t) => {
  const { nodes, leases } = await begin(t, 3);
  const all = (await nodes.list()).items;
  assert.deepEqual(all.map((n) => n.metadata.name).sort(), ['node1', 'node2', 'node3']);
  const ready = all.map((n) => n.status.conditions.find((c: { type: string }) => c.type === 'Ready').status);
  assert.deepEqual(ready, ['True', 'True', 'True']);
  assert.equal(new Set(all.map((n) => n.spec.podCIDR)).size, 3);
  const lease = await leases.get('node1');
  assert.equal(lease.spec.holderIdentity, 'node1');
  assert.equal(lease.spec.leaseDurationSeconds, 40);
});

test('simulated nodes: heartbeats: each node once a period, spread over it, on one timer', async (t) => {
  const { client, clock } = await begin(t, 100);
  client.actions.length = 0;
  await clock.advance(1000);
  const renewals = () => client.actions.filter((a) => a.verb === 'update' && a.gvr.resource === 'leases');
  await clock.advance(9000);
  client.actions.length = 0;
  await clock.advance(1000);
  assert.ok(renewals().length >= 9 && renewals().length <= 11, `${renewals().length} in a tenth of the period`);
  await clock.advance(9000);
  assert.equal(new Set(renewals().map((a) => a.name)).size, 100);
  assert.ok(clock.pendingTimers < 10, `${clock.pendingTimers} timers`);
});

test('simulated nodes: a node that was written off says that it is ready', async (t) => {
  const { clock, nodes } = await begin(t);
  await clock.advance(60_000);
  const node = await nodes.get('node1');
  node.status.conditions.find((c: { type: string }) => c.type === 'Ready').status = 'Unknown';
  await nodes.updateStatus(node);
  await clock.advance(100);
  const after = await nodes.get('node1');
  assert.equal(after.status.conditions.find((c: { type: string }) => c.type === 'Ready').status, 'True');
});

test('simulated nodes: a deleted node stays away', async (t) => {
  const { client, clock, nodes } = await begin(t);
  await nodes.delete('node2');
  await clock.advance(100);
  client.actions.length = 0;
  await clock.advance(30_000);
  assert.equal((await nodes.list()).items.length, 1);
  assert.ok(client.actions.every((a) => a.name !== 'node2'));
});

test('simulated pods: a bound one runs at once, with addresses, conditions and statuses', async (t) => {
  const { create, conditionOf } = await begin(t);
  const pod = await create('a');
  const other = await create('b');
  assert.equal(pod.status?.phase, 'Running');
  assert.match(pod.status!.podIP!, /^10\.244\.0\.\d+$/);
  assert.notEqual(pod.status?.podIP, other.status?.podIP);
  assert.equal(pod.status?.hostIP, '172.18.0.1');
  for (const type of ['PodReadyToStartContainers', 'Initialized', 'ContainersReady', 'Ready', 'PodScheduled']) {
    assert.equal(conditionOf(pod, type)?.status, 'True', type);
    assert.ok(conditionOf(pod, type)?.lastTransitionTime, type);
  }
  const [container] = pod.status!.containerStatuses!;
  assert.equal(container!.image, 'docker.io/library/nginx:latest');
  assert.match(container!.containerID!, /^evenkeel:\/\/[0-9a-f]{64}$/);
  assert.match(container!.imageID, /^docker\.io\/library\/nginx@sha256:/);
  assert.deepEqual([container!.ready, container!.started, container!.restartCount], [true, true, 0]);
});

test('simulated pods: not bound, or bound elsewhere: left alone', async (t) => {
  const { create } = await begin(t);
  assert.equal((await create('unbound', { nodeName: '' })).status, undefined);
  assert.equal((await create('elsewhere', { nodeName: 'other' })).status, undefined);
});

test('simulated pods: deleted gracefully: gone, and the address is free again', async (t) => {
  const { client, clock, create, pods } = await begin(t);
  const pod = await create('a');
  const terminating = structuredClone(pod);
  Object.assign(terminating.metadata, { deletionTimestamp: '2026-01-01T00:00:30Z', deletionGracePeriodSeconds: 30 });
  client.write(podsResource, terminating);
  await clock.advance(10);
  assert.equal((await pods.list()).items.length, 0);
});

test('simulated pods: of a job: succeeds after a second', async (t) => {
  const { clock, create, pods } = await begin(t);
  const ownerReferences = [{ apiVersion: 'batch/v1', kind: 'Job', name: 'j', uid: 'j', controller: true }];
  assert.equal((await create('j1', { restartPolicy: 'Never' }, { ownerReferences })).status?.phase, 'Running');
  await clock.advance(1100);
  const pod = await pods.get('j1');
  assert.equal(pod.status?.phase, 'Succeeded');
  assert.equal(pod.status?.containerStatuses?.[0]?.state.terminated?.exitCode, 0);
  assert.equal(pod.status?.containerStatuses?.[0]?.state.terminated?.reason, 'Completed');
  assert.equal(pod.status?.conditions?.find((c) => c.type === 'Ready')?.reason, 'PodCompleted');
});

test('simulated pods: run duration: as annotated, and only when the pod may end', async (t) => {
  const { clock, create, pods } = await begin(t);
  const metadata = { annotations: { 'evenkeel.dev/run-duration': '5s' } };
  await create('ends', { restartPolicy: 'OnFailure' }, metadata);
  await create('stays', { restartPolicy: 'Always' }, metadata);
  await clock.advance(3000);
  assert.equal((await pods.get('ends')).status?.phase, 'Running');
  await clock.advance(3000);
  assert.equal((await pods.get('ends')).status?.phase, 'Succeeded');
  assert.equal((await pods.get('stays')).status?.phase, 'Running');
});

test('simulated pods: readiness gates: ready only when others say so', async (t) => {
  const { clock, create, conditionOf, pods } = await begin(t);
  const pod = await create('gated', { readinessGates: [{ conditionType: 'example.com/ok' }] });
  assert.equal(conditionOf(pod, 'ContainersReady')?.status, 'True');
  assert.equal(conditionOf(pod, 'Ready')?.status, 'False');
  pod.status!.conditions!.push({ type: 'example.com/ok', status: 'True' });
  await pods.updateStatus(pod);
  await clock.advance(10);
  const after = await pods.get('gated');
  assert.equal(conditionOf(after, 'Ready')?.status, 'True');
  assert.equal(conditionOf(after, 'example.com/ok')?.status, 'True');
});

test('simulated pods: after a restart: a running pod keeps its address, and nothing is written', async (t) => {
  const client = new FakeClient();
  const seed = await begin(t, 1, client);
  const before = await seed.create('a');
  client.actions.length = 0;
  const { create, pods } = await begin(t, 1, client);
  assert.equal(client.actions.filter((a) => a.name === 'a' && a.verb === 'patch').length, 0);
  assert.deepEqual((await pods.get('a')).status, before.status);
  assert.notEqual((await create('b')).status?.podIP, before.status?.podIP);
});
