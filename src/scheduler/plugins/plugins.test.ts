import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, Pod } from '../api-objects.ts';
import { CycleState } from '../framework/cycle-state.ts';
import type { Plugin } from '../framework/plugin.ts';
import { newPodInfo } from '../framework/pod-info.ts';
import { nodeInfo, testNode, testPod } from '../testing/fixtures.ts';
import { nodeAffinity } from './node-affinity.ts';
import { nodeName } from './node-name.ts';
import { nodePorts } from './node-ports.ts';
import { nodeResourcesBalancedAllocation } from './node-resources-balanced-allocation.ts';
import { nodeResourcesFit } from './node-resources-fit.ts';
import { nodeUnschedulable } from './node-unschedulable.ts';
import { taintToleration } from './taint-toleration.ts';

interface FilterCase {
  title: string;
  plugin: Plugin;
  pod: Pod;
  node: Node;
  on?: Pod[];
  /** None: the node passes. */
  reasons?: string[];
  code?: string;
}

const withPort = (name: string, hostPort: number, more: object = {}) =>
  testPod(name, { containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort, ...more }] }] });
const requiring = (...nodeSelectorTerms: object[]) =>
  testPod('p', {
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } },
  });
const expression = (key: string, operator: string, ...values: string[]) => ({ key, operator, values });
const tainted = (effect: string, value?: string) =>
  testNode('n', { spec: { taints: [{ key: 'k', effect, ...(value && { value }) }] } });
const affinityReason = ["node(s) didn't match Pod's node affinity/selector"];
const taintReason = ['node(s) had untolerated taint(s)'];
const portReason = ["node(s) didn't have free ports for the requested pod ports"];
const final = 'UnschedulableAndUnresolvable';

const filterCases: FilterCase[] = [
  { title: 'NodeName: none asked for', plugin: nodeName(), pod: testPod('p'), node: testNode('n') },
  { title: 'NodeName: this one', plugin: nodeName(), pod: testPod('p', { nodeName: 'n' }), node: testNode('n') },
  {
    title: 'NodeName: another',
    plugin: nodeName(),
    pod: testPod('p', { nodeName: 'x' }),
    node: testNode('n'),
    reasons: ["node(s) didn't match the requested node name"],
    code: final,
  },
  {
    title: 'NodeUnschedulable: cordoned',
    plugin: nodeUnschedulable(),
    pod: testPod('p'),
    node: testNode('n', { spec: { unschedulable: true } }),
    reasons: ['node(s) were unschedulable'],
    code: final,
  },
  {
    title: 'NodeUnschedulable: cordoned but tolerated',
    plugin: nodeUnschedulable(),
    pod: testPod('p', { tolerations: [{ key: 'node.kubernetes.io/unschedulable', operator: 'Exists' }] }),
    node: testNode('n', { spec: { unschedulable: true } }),
  },
  {
    title: 'TaintToleration: not tolerated',
    plugin: taintToleration(),
    pod: testPod('p'),
    node: tainted('NoSchedule'),
    reasons: taintReason,
    code: final,
  },
  {
    title: 'TaintToleration: NoExecute too',
    plugin: taintToleration(),
    pod: testPod('p'),
    node: tainted('NoExecute'),
    reasons: taintReason,
    code: final,
  },
  {
    title: 'TaintToleration: only preferred',
    plugin: taintToleration(),
    pod: testPod('p'),
    node: tainted('PreferNoSchedule'),
  },
  {
    title: 'TaintToleration: equal value',
    plugin: taintToleration(),
    pod: testPod('p', { tolerations: [{ key: 'k', value: 'v' }] }),
    node: tainted('NoSchedule', 'v'),
  },
  {
    title: 'TaintToleration: another value',
    plugin: taintToleration(),
    pod: testPod('p', { tolerations: [{ key: 'k', value: 'w' }] }),
    node: tainted('NoSchedule', 'v'),
    reasons: taintReason,
    code: final,
  },
  {
    title: 'TaintToleration: another effect',
    plugin: taintToleration(),
    pod: testPod('p', { tolerations: [{ key: 'k', operator: 'Exists', effect: 'NoExecute' }] }),
    node: tainted('NoSchedule'),
    reasons: taintReason,
    code: final,
  },
  {
    title: 'TaintToleration: everything tolerated',
    plugin: taintToleration(),
    pod: testPod('p', { tolerations: [{ operator: 'Exists' }] }),
    node: tainted('NoSchedule'),
  },
  {
    title: 'NodeAffinity: nodeSelector holds',
    plugin: nodeAffinity(),
    pod: testPod('p', { nodeSelector: { zone: 'a' } }),
    node: testNode('n', { labels: { zone: 'a' } }),
  },
  {
    title: 'NodeAffinity: nodeSelector does not hold',
    plugin: nodeAffinity(),
    pod: testPod('p', { nodeSelector: { zone: 'a' } }),
    node: testNode('n'),
    reasons: affinityReason,
    code: final,
  },
  {
    title: 'NodeAffinity: one of the terms holds',
    plugin: nodeAffinity(),
    pod: requiring(
      { matchExpressions: [expression('zone', 'In', 'x')] },
      { matchExpressions: [expression('zone', 'In', 'a', 'b'), expression('disk', 'DoesNotExist')] },
    ),
    node: testNode('n', { labels: { zone: 'b' } }),
  },
  {
    title: 'NodeAffinity: half a term is not enough',
    plugin: nodeAffinity(),
    pod: requiring({ matchExpressions: [expression('zone', 'Exists'), expression('zone', 'NotIn', 'b')] }),
    node: testNode('n', { labels: { zone: 'b' } }),
    reasons: affinityReason,
    code: final,
  },
  {
    title: 'NodeAffinity: an empty term matches nothing',
    plugin: nodeAffinity(),
    pod: requiring({}),
    node: testNode('n'),
    reasons: affinityReason,
    code: final,
  },
  {
    title: 'NodeAffinity: greater than',
    plugin: nodeAffinity(),
    pod: requiring({ matchExpressions: [expression('cores', 'Gt', '9')] }),
    node: testNode('n', { labels: { cores: '10' } }),
  },
  {
    title: 'NodeAffinity: less than what is no number',
    plugin: nodeAffinity(),
    pod: requiring({ matchExpressions: [expression('cores', 'Lt', '9')] }),
    node: testNode('n', { labels: { cores: 'many' } }),
    reasons: affinityReason,
    code: final,
  },
  {
    title: 'NodeAffinity: by name',
    plugin: nodeAffinity(),
    pod: requiring({ matchFields: [expression('metadata.name', 'In', 'n')] }),
    node: testNode('n'),
  },
  {
    title: 'NodePorts: free',
    plugin: nodePorts(),
    pod: withPort('p', 80),
    node: testNode('n'),
    on: [withPort('q', 81)],
  },
  {
    title: 'NodePorts: taken',
    plugin: nodePorts(),
    pod: withPort('p', 80),
    node: testNode('n'),
    on: [withPort('q', 80)],
    reasons: portReason,
  },
  {
    title: 'NodePorts: another protocol',
    plugin: nodePorts(),
    pod: withPort('p', 80, { protocol: 'UDP' }),
    node: testNode('n'),
    on: [withPort('q', 80)],
  },
  {
    title: 'NodePorts: another address',
    plugin: nodePorts(),
    pod: withPort('p', 80, { hostIP: '10.0.0.1' }),
    node: testNode('n'),
    on: [withPort('q', 80, { hostIP: '10.0.0.2' })],
  },
  {
    title: 'NodePorts: one address and all addresses',
    plugin: nodePorts(),
    pod: withPort('p', 80, { hostIP: '10.0.0.1' }),
    node: testNode('n'),
    on: [withPort('q', 80)],
    reasons: portReason,
  },
  {
    title: 'NodeResourcesFit: fits exactly',
    plugin: nodeResourcesFit(),
    pod: testPod('p', { requests: { cpu: '1500m', memory: '4Gi' } }),
    node: testNode('n'),
    on: [testPod('q', { requests: { cpu: '2.5', memory: '4096Mi' } })],
  },
  {
    title: 'NodeResourcesFit: short of two',
    plugin: nodeResourcesFit(),
    pod: testPod('p', { requests: { cpu: '2', memory: '5Gi' } }),
    node: testNode('n'),
    on: [testPod('q', { requests: { cpu: '2500m', memory: '4Gi' } })],
    reasons: ['Insufficient cpu', 'Insufficient memory'],
  },
  {
    title: 'NodeResourcesFit: never fits',
    plugin: nodeResourcesFit(),
    pod: testPod('p', { requests: { cpu: '5' } }),
    node: testNode('n'),
    reasons: ['Insufficient cpu'],
    code: final,
  },
  {
    title: 'NodeResourcesFit: asks for nothing on a full node',
    plugin: nodeResourcesFit(),
    pod: testPod('p'),
    node: testNode('n'),
    on: [testPod('q', { requests: { cpu: '4', memory: '8Gi' } })],
  },
  {
    title: 'NodeResourcesFit: too many pods',
    plugin: nodeResourcesFit(),
    pod: testPod('p'),
    node: testNode('n', { allocatable: { pods: '1' } }),
    on: [testPod('q')],
    reasons: ['Too many pods'],
  },
  {
    title: 'NodeResourcesFit: extended resources',
    plugin: nodeResourcesFit(),
    pod: testPod('p', { requests: { 'example.com/gpu': '1', 'ephemeral-storage': '1Gi' } }),
    node: testNode('n', { allocatable: { 'ephemeral-storage': '2Gi' } }),
    reasons: ['Insufficient example.com/gpu'],
    code: final,
  },
  {
    title: 'NodeResourcesFit: the hungriest init container counts',
    plugin: nodeResourcesFit(),
    pod: testPod('p', {
      requests: { cpu: '1' },
      initContainers: [
        { name: 'sidecar', restartPolicy: 'Always', resources: { requests: { cpu: '1' } } },
        { name: 'once', resources: { requests: { cpu: '3500m' } } },
      ],
    }),
    node: testNode('n'),
    reasons: ['Insufficient cpu'],
    code: final,
  },
];

for (const { title, plugin, pod, node, on = [], reasons, code } of filterCases) {
  test(`scheduler: plugins: ${title}`, () => {
    const info = newPodInfo(pod);
    const target = nodeInfo(node, ...on);
    const state = new CycleState();
    const before = plugin.preFilter?.(state, info, [target]);
    const isSkipped = before !== undefined && 'code' in before && before.code === 'Skip';
    const status = isSkipped ? undefined : plugin.filter!(state, info, target);
    assert.deepEqual(status?.reasons, reasons);
    if (reasons) assert.equal(status!.code, code ?? 'Unschedulable');
  });
}

function scores(plugin: Plugin, pod: Pod, ...nodes: ReturnType<typeof nodeInfo>[]): number[] {
  const state = new CycleState();
  const info = newPodInfo(pod);
  const result = Float64Array.from(nodes, (n) => plugin.score!(state, info, n));
  plugin.normalizeScores?.(state, info, result);
  return [...result];
}

test('scheduler: scores: the emptier node is better, unspecified requests count a little', () => {
  const empty = nodeInfo(testNode('a', { allocatable: { cpu: '1', memory: '2000Mi' } }));
  const half = nodeInfo(
    testNode('b', { allocatable: { cpu: '1', memory: '2000Mi' } }),
    testPod('q', { requests: { cpu: '500m', memory: '1000Mi' } }),
  );
  assert.deepEqual(scores(nodeResourcesFit(), testPod('p'), empty, half), [90, 40]);
  assert.deepEqual(scores(nodeResourcesFit(), testPod('p', { requests: { cpu: '2', memory: '0' } }), empty), [50]);
});

test('scheduler: scores: balance: what evens out CPU and memory is above 50', () => {
  const lopsided = nodeInfo(testNode('a'), testPod('q', { requests: { cpu: '2' } }));
  const even = nodeInfo(testNode('b'));
  const hungry = testPod('p', { requests: { memory: '4Gi' } });
  assert.deepEqual(scores(nodeResourcesBalancedAllocation(), hungry, lopsided, even), [87, 62]);
});

test('scheduler: scores: taints to be avoided: fewer is better', () => {
  const clean = nodeInfo(testNode('a'));
  const avoided = nodeInfo(tainted('PreferNoSchedule'));
  assert.deepEqual(scores(taintToleration(), testPod('p'), clean, avoided), [100, 0]);
  assert.deepEqual(scores(taintToleration(), testPod('p'), clean, clean), [100, 100]);
});

test('scheduler: scores: preferred affinity: weights of what matches', () => {
  const prefer = (weight: number, value: string) => ({
    weight,
    preference: { matchExpressions: [expression('zone', 'In', value)] },
  });
  const pod = testPod('p', {
    affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [prefer(80, 'a'), prefer(20, 'b')] } },
  });
  const zone = (z: string) => nodeInfo(testNode(z, { labels: { zone: z } }));
  assert.deepEqual(scores(nodeAffinity(), pod, zone('a'), zone('b'), zone('c')), [100, 25, 0]);
});
