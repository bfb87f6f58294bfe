import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiErrors } from '#apimachinery/status-error.ts';
import { runScheduler, testNode, testPod } from './testing/fixtures.ts';

test('scheduler: a pod: gets a node, an event, and is bound through pods/binding', async () => {
  const { client, clock, nodes, pods, nodeOf, events, end } = await runScheduler();
  await nodes.create(testNode('n1'));
  await pods.create(testPod('a'));
  await clock.advance(10);
  assert.equal(await nodeOf('a'), 'n1');
  const binding = client.actions.find((a) => a.subresource === 'binding')!;
  const uid = (await pods.get('a')).metadata.uid;
  assert.deepEqual(binding.object, {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { namespace: 'default', name: 'a', uid },
    target: { kind: 'Node', name: 'n1' },
  });
  assert.deepEqual(await events(), ['Normal Scheduled a: Successfully assigned default/a to n1']);
  await end();
});

test('scheduler: nothing fits: the pod says why, and is scheduled when a node comes', async () => {
  const { clock, nodes, pods, nodeOf, events, end } = await runScheduler();
  await nodes.create(testNode('small', { allocatable: { cpu: '1' } }));
  await nodes.create(testNode('tainted', { spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] } }));
  await nodes.create(testNode('cordoned', { spec: { unschedulable: true } }));
  await pods.create(testPod('a', { requests: { cpu: '2' } }));
  await clock.advance(10);
  const message =
    '0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable.';
  assert.deepEqual(await events(), [`Warning FailedScheduling a: ${message}`]);
  const condition = (await pods.get('a')).status!.conditions!.find((c) => c.type === 'PodScheduled')!;
  assert.equal(condition.status, 'False');
  assert.equal(condition.reason, 'Unschedulable');
  assert.equal(condition.message, message);
  await clock.advance(60_000);
  assert.equal((await events()).length, 1, 'not tried again while nothing changes');

  await nodes.create(testNode('big'));
  await clock.advance(10);
  assert.equal(await nodeOf('a'), 'big');
  await end();
});

const helpful: [string, (world: Awaited<ReturnType<typeof runScheduler>>) => Promise<unknown>][] = [
  ['a pod is deleted', ({ pods }) => pods.delete('filler')],
  [
    'a pod finishes',
    ({ pods }) => pods.patch('filler', 'application/merge-patch+json', { status: { phase: 'Succeeded' } }),
  ],
  [
    'a node grows',
    async ({ nodes }) => {
      const node = await nodes.get('n1');
      await nodes.updateStatus({ ...node, status: { allocatable: { cpu: '8', memory: '8Gi', pods: '110' } } });
    },
  ],
];
for (const [what, change] of helpful) {
  test(`scheduler: a full node: the pod that waits is scheduled when ${what}`, async () => {
    const world = await runScheduler();
    const { clock, nodes, pods, nodeOf, end } = world;
    await nodes.create(testNode('n1'));
    await pods.create(testPod('filler', { requests: { cpu: '3' } }));
    await clock.advance(10);
    await pods.create(testPod('a', { requests: { cpu: '2' } }));
    await clock.advance(5_000);
    assert.equal(await nodeOf('a'), undefined);
    await change(world);
    await clock.advance(10);
    assert.equal(await nodeOf('a'), 'n1');
    await end();
  });
}

test('scheduler: uncordoned: the pod that waits is scheduled', async () => {
  const { clock, nodes, pods, nodeOf, end } = await runScheduler();
  await nodes.create(testNode('n1', { spec: { unschedulable: true } }));
  await pods.create(testPod('a'));
  await clock.advance(2_000);
  assert.equal(await nodeOf('a'), undefined);
  await nodes.patch('n1', 'application/merge-patch+json', { spec: { unschedulable: null } });
  await clock.advance(10);
  assert.equal(await nodeOf('a'), 'n1');
  await end();
});

test('scheduler: many pods at once: no node is filled beyond what it has', async () => {
  const { clock, nodes, pods, client, events, end } = await runScheduler();
  // Slow bindings: what is decided but not yet confirmed must count.
  client.intercept = ({ subresource }) =>
    subresource === 'binding' ? new Promise((resolve) => clock.setTimer(500, resolve)) : undefined;
  for (const name of ['n1', 'n2', 'n3']) await nodes.create(testNode(name));
  for (let i = 0; i < 20; i++) await pods.create(testPod(`p${i}`, { requests: { cpu: '1' } }));
  await clock.advance(5_000);
  const counts = new Map<string, number>();
  for (const pod of (await pods.list()).items) {
    const node = pod.spec.nodeName ?? 'none';
    counts.set(node, (counts.get(node) ?? 0) + 1);
  }
  assert.deepEqual([...counts].sort(), [
    ['n1', 4],
    ['n2', 4],
    ['n3', 4],
    ['none', 8],
  ]);
  assert.equal((await events()).filter((e) => e.includes('0/3 nodes are available: 3 Insufficient cpu.')).length, 8);
  await end();
});

test('scheduler: binding fails: the room is free again and the pod tried after its back-off', async () => {
  const { clock, client, nodes, pods, scheduler, nodeOf, events, end } = await runScheduler();
  let failures = 2;
  const at: number[] = [];
  client.intercept = ({ subresource }) => {
    if (subresource !== 'binding') return;
    at.push(Math.round(clock.monotonic() / 1000));
    if (failures-- > 0) throw apiErrors.serviceUnavailable('no store');
  };
  await nodes.create(testNode('n1'));
  await pods.create(testPod('a', { requests: { cpu: '4' } }));
  await clock.advance(100);
  assert.equal(scheduler.cache.node('n1')!.requested.milliCpu, 0);
  await clock.advance(10_000);
  assert.equal(await nodeOf('a'), 'n1');
  assert.deepEqual(at, [0, 1, 3]);
  assert.ok((await events()).includes('Warning FailedScheduling a: no store'));
  await end();
});

test('scheduler: somebody else bound it: is left alone', async () => {
  const { clock, client, nodes, pods, scheduler, nodeOf, end } = await runScheduler();
  await nodes.create(testNode('n1'));
  let isFirst = true;
  client.intercept = async ({ subresource }) => {
    if (subresource !== 'binding' || !isFirst) return;
    isFirst = false;
    const pod = await pods.get('a');
    await pods.update({ ...pod, spec: { ...pod.spec, nodeName: 'elsewhere' } });
  };
  await pods.create(testPod('a'));
  await clock.advance(20_000);
  assert.equal(await nodeOf('a'), 'elsewhere');
  assert.equal(client.actions.filter((a) => a.subresource === 'binding').length, 1);
  assert.deepEqual(scheduler.queue.pending, { active: 0, backoff: 0, unschedulable: 0, gated: 0 });
  await end();
});

test('scheduler: other schedulers’ pods and gated pods: wait outside', async () => {
  const { clock, nodes, pods, scheduler, nodeOf, end } = await runScheduler();
  await nodes.create(testNode('n1'));
  await pods.create(testPod('other', { schedulerName: 'mine' }));
  await pods.create(testPod('gated', { schedulingGates: [{ name: 'g' }] }));
  await clock.advance(400_000);
  assert.equal(await nodeOf('other'), undefined);
  assert.equal(await nodeOf('gated'), undefined);
  assert.equal(scheduler.queue.pending.gated, 1);
  await pods.patch('gated', 'application/merge-patch+json', { spec: { schedulingGates: null } });
  await clock.advance(10);
  assert.equal(await nodeOf('gated'), 'n1');
  await end();
});

test('scheduler: the lead lost and won again: the cache stays warm, nothing is scheduled between', async () => {
  const { clock, nodes, pods, nodeOf, stopScheduling, scheduleAgain, end } = await runScheduler();
  await nodes.create(testNode('n1'));
  await clock.advance(10);
  await stopScheduling();
  await pods.create(testPod('a', { requests: { cpu: '3' } }));
  const elsewhere = testPod('b', { requests: { cpu: '3' }, nodeName: 'n1' });
  await pods.create(elsewhere);
  await clock.advance(10_000);
  assert.equal(await nodeOf('a'), undefined);
  scheduleAgain();
  await clock.advance(10);
  assert.equal(await nodeOf('a'), undefined, 'another leader filled the node meanwhile');
  await pods.delete('b');
  await clock.advance(10);
  assert.equal(await nodeOf('a'), 'n1');
  await end();
});

test('scheduler: no nodes at all: says so', async () => {
  const { clock, pods, events, end } = await runScheduler();
  await pods.create(testPod('a'));
  await clock.advance(10);
  assert.deepEqual(await events(), ['Warning FailedScheduling a: no nodes available to schedule pods']);
  await end();
});
