/** What a decision costs: node src/scheduler/find-node.bench.ts */
import type { ApiClient } from '#client/client.ts';
import { SchedulerCache } from './cache/scheduler-cache.ts';
import { defaultPlugins } from './default-plugins.ts';
import { findNode } from './find-node.ts';
import { CycleState } from './framework/cycle-state.ts';
import { Framework } from './framework/framework.ts';
import { newPodInfo } from './framework/pod-info.ts';
import { testNode, testPod } from './testing/fixtures.ts';

const framework = new Framework(defaultPlugins({} as ApiClient, () => ({})));
for (const nodeCount of [3, 100, 1000, 5000]) {
  const cache = new SchedulerCache();
  for (let i = 0; i < nodeCount; i++) cache.setNode(testNode(`n${i}`, { allocatable: { cpu: '64', memory: '256Gi' } }));
  const podCount = 2000;
  const startedAt = performance.now();
  for (let i = 0; i < podCount; i++) {
    const info = newPodInfo(testPod(`p${i}`, { requests: { cpu: '50m', memory: '64Mi' } }));
    const found = findNode({ cache, framework, random: Math.random }, new CycleState(), info);
    if ('nodeName' in found) cache.assume(info, found.nodeName);
  }
  const perPodUs = ((performance.now() - startedAt) / podCount) * 1000;
  console.log(`${String(nodeCount).padStart(5)} nodes: ${perPodUs.toFixed(1)} µs a pod`);
}
