import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Pod, resources } from '../resources.ts';
import { bench, node, pod, readyStatus } from '../testing/fixtures.ts';
import { excessTerminated, podGarbageCollector } from './pod-garbage-collector.ts';

const since = '2025-12-01T00:00:00Z';
const on = (nodeName: string) => ({ spec: { nodeName }, status: readyStatus(since) });
const start = () => bench([podGarbageCollector], { isGraceful: (o) => o.kind === 'Pod' });

test('pod gc: the node is gone: after the quarantine, failed and deleted at once', async () => {
  const b = await start();
  await b.of(resources.nodes, '').create(node('n1'));
  await b.of(resources.nodes, '').create(node('n2'));
  for (const [name, nodeName] of [
    ['a', 'n1'],
    ['b', 'n2'],
    ['held', 'n1'],
  ] as const) {
    const metadata = name === 'held' ? { finalizers: ['example.com/hold'] } : {};
    await b.of(resources.pods).create(pod(name, { ...on(nodeName), metadata: { labels: {}, ...metadata } }));
  }
  await b.pass(60_000);
  await b.of(resources.nodes, '').delete('n1');
  await b.pass(39_000);
  assert.equal(b.list(resources.pods).length, 3);
  await b.pass(42_000);
  assert.deepEqual(
    b.list(resources.pods).map((p) => p.metadata.name),
    ['b', 'held'],
  );
  const { status, metadata } = b.get<Pod>(resources.pods, 'default/held')!;
  assert.ok(metadata.deletionTimestamp);
  assert.equal(status!.phase, 'Failed');
  assert.equal(status!.conditions!.find((c) => c.type === 'DisruptionTarget')?.reason, 'DeletionByPodGC');
  await b.stop();
});

test('pod gc: the node comes back in time: its pods stay', async () => {
  const b = await start();
  await b.of(resources.pods).create(pod('a', on('n1')));
  await b.pass(35_000);
  await b.of(resources.nodes, '').create(node('n1'));
  await b.pass(120_000);
  assert.equal(b.list(resources.pods).length, 1);
  await b.stop();
});

test('pod gc: deleted before it had a node: gone; healthy pods and finished ones below the threshold stay', async () => {
  const b = await start();
  await b.of(resources.nodes, '').create(node('n1'));
  await b.of(resources.pods).create(pod('waiting'));
  await b.of(resources.pods).create(pod('deleted'));
  await b.of(resources.pods).delete('deleted');
  await b.of(resources.pods).create(pod('done', { ...on('n1'), status: { phase: 'Succeeded' } }));
  await b.of(resources.pods).create(pod('running', on('n1')));
  b.writes();
  await b.pass(120_000);
  assert.deepEqual(
    b.list(resources.pods).map((p) => p.metadata.name),
    ['waiting', 'done', 'running'],
  );
  assert.deepEqual(b.writes(), ['delete pods']);
  await b.stop();
});

test('pod gc: finished pods over the threshold: the oldest', () => {
  const done = (name: string, creationTimestamp: string) =>
    pod(name, { metadata: { creationTimestamp }, status: { phase: 'Failed' } });
  const all = [
    done('b', '2026-01-02T00:00:00Z'),
    done('a', '2026-01-01T00:00:00Z'),
    done('c', '2026-01-03T00:00:00Z'),
    pod('running'),
  ];
  assert.deepEqual(
    excessTerminated(all, 2).map((p) => p.metadata.name),
    ['a'],
  );
  assert.deepEqual(excessTerminated(all, 3), []);
});
