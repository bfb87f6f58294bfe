import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiClient } from '#client/client.ts';
import { seededRandom } from '#client/testing/fixtures.ts';
import { SchedulerCache } from './cache/scheduler-cache.ts';
import { defaultPlugins } from './default-plugins.ts';
import { feasibleNodesToFind, findNode } from './find-node.ts';
import { CycleState } from './framework/cycle-state.ts';
import { fitErrorMessage } from './framework/fit-error.ts';
import { Framework } from './framework/framework.ts';
import { newPodInfo } from './framework/pod-info.ts';
import { testNode, testPod } from './testing/fixtures.ts';

function setUp(...names: string[]) {
  const cache = new SchedulerCache();
  for (const name of names) cache.setNode(testNode(name));
  const framework = new Framework(defaultPlugins({} as ApiClient, () => ({})));
  const random = seededRandom(1);
  const find = (pod: ReturnType<typeof testPod>) =>
    findNode({ cache, framework, random }, new CycleState(), newPodInfo(pod));
  return { cache, find };
}

test('scheduler: choice: among equal nodes each has its share', () => {
  const { find } = setUp('n1', 'n2', 'n3');
  const counts: Record<string, number> = {};
  for (let i = 0; i < 600; i++) {
    const found = find(testPod('p'));
    assert.ok('nodeName' in found);
    counts[found.nodeName] = (counts[found.nodeName] ?? 0) + 1;
  }
  for (const name of ['n1', 'n2', 'n3']) assert.ok(counts[name]! > 120, `${name}: ${counts[name]}`);
});

test('scheduler: choice: the emptier node', () => {
  const { cache, find } = setUp('n1', 'n2');
  cache.setPod(testPod('q', { nodeName: 'n1', requests: { cpu: '2', memory: '4Gi' } }));
  for (let i = 0; i < 20; i++) assert.deepEqual(find(testPod('p')), { nodeName: 'n2' });
});

test('scheduler: choice: only the nodes that affinity names are looked at, and the message says so', () => {
  const named = (name: string, requests: Record<string, string>) => {
    const term = { matchFields: [{ key: 'metadata.name', operator: 'In', values: [name] }] };
    const nodeAffinity = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] } };
    return testPod('p', { requests, affinity: { nodeAffinity } });
  };
  const { find } = setUp('n1', 'n2', 'n3');
  assert.deepEqual(find(named('n2', { cpu: '1' })), { nodeName: 'n2' });
  const failed = find(named('n2', { cpu: '5' }));
  assert.ok('diagnosis' in failed);
  assert.equal(
    fitErrorMessage(3, failed.diagnosis),
    "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity].",
  );
});

test('scheduler: choice: how many nodes are enough in a large cluster', () => {
  const found = [0, 3, 99, 100, 250, 1000, 5000, 6000, 50_000].map(feasibleNodesToFind);
  assert.deepEqual(found, [0, 3, 99, 100, 120, 420, 500, 300, 2500]);
});
