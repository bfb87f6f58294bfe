/** The choice of a node: who fits, and who of them is best. Reads the cache, changes nothing. */
import facts from '#apis/facts/scheduler.json' with { type: 'json' };
import type { SchedulerCache } from './cache/scheduler-cache.ts';
import type { CycleState } from './framework/cycle-state.ts';
import type { Framework } from './framework/framework.ts';
import type { NodeInfo } from './framework/node-info.ts';
import type { Diagnosis } from './framework/plugin.ts';
import type { PodInfo } from './framework/pod-info.ts';

export interface NodeChoice {
  cache: SchedulerCache;
  framework: Framework;
  random: () => number;
}

export function findNode(
  { cache, framework, random }: NodeChoice,
  state: CycleState,
  pod: PodInfo,
): { nodeName: string } | { diagnosis: Diagnosis } {
  const all = cache.nodes;
  const diagnosis: Diagnosis = {
    nodeStatuses: new Map(),
    unschedulablePlugins: new Set(),
    preFilterMessage: '',
    postFilterMessage: '',
  };
  if (all.length === 0) return { diagnosis };
  const { nodeNames, status, plugins } = framework.preFilter(state, pod, all);
  if (status) {
    diagnosis.preFilterMessage = status.reasons.join(', ');
    for (const plugin of plugins) diagnosis.unschedulablePlugins.add(plugin);
    return { diagnosis };
  }
  let candidates = all;
  if (nodeNames) {
    candidates = all.filter((n) => nodeNames.has(n.node!.metadata.name!));
    // Who narrowed the choice may widen it again when nodes come or change.
    for (const plugin of plugins) diagnosis.unschedulablePlugins.add(plugin);
    const [plugin] = plugins;
    for (const n of all) {
      if (nodeNames.has(n.node!.metadata.name!)) continue;
      const reasons = [`node(s) didn't satisfy plugin(s) [${plugins.join(' ')}]`];
      diagnosis.nodeStatuses.set(n.node!.metadata.name!, {
        code: 'UnschedulableAndUnresolvable',
        reasons,
        ...(plugin && { plugin }),
      });
    }
  }
  const feasible = findFeasible(framework, state, pod, candidates, Math.floor(random() * candidates.length), diagnosis);
  if (feasible.length === 0) return { diagnosis };
  if (feasible.length === 1) return { nodeName: feasible[0]!.node!.metadata.name! };
  const scores = framework.score(state, pod, feasible);
  return { nodeName: feasible[indexOfHighest(scores, random)]!.node!.metadata.name! };
}

/** Looks around the circle from `start` until there are enough: in a large cluster not every node need be asked. */
function findFeasible(
  framework: Framework,
  state: CycleState,
  pod: PodInfo,
  nodes: readonly NodeInfo[],
  start: number,
  diagnosis: Diagnosis,
): NodeInfo[] {
  const enough = feasibleNodesToFind(nodes.length);
  const feasible: NodeInfo[] = [];
  for (let i = 0; i < nodes.length && feasible.length < enough; i++) {
    const node = nodes[(start + i) % nodes.length]!;
    const status = framework.filter(state, pod, node);
    if (!status) feasible.push(node);
    else {
      diagnosis.nodeStatuses.set(node.node!.metadata.name!, status);
      diagnosis.unschedulablePlugins.add(status.plugin!);
    }
  }
  return feasible;
}

/** All up to 100 nodes; beyond, 50 % falling to 5 % as the cluster grows, and never fewer than 100. */
export function feasibleNodesToFind(nodeCount: number): number {
  const { minFeasibleNodesToFind, minFeasibleNodesPercentageToFind } = facts.feasibleNodes;
  if (nodeCount < minFeasibleNodesToFind) return nodeCount;
  const percentage = Math.max(minFeasibleNodesPercentageToFind, 50 - Math.floor(nodeCount / 125));
  return Math.max(minFeasibleNodesToFind, Math.floor((nodeCount * percentage) / 100));
}

/** By chance among equals, each equally likely. */
function indexOfHighest(scores: Float64Array, random: () => number): number {
  let best = 0;
  let ties = 1;
  for (let i = 1; i < scores.length; i++) {
    if (scores[i]! > scores[best]!) {
      best = i;
      ties = 1;
    } else if (scores[i] === scores[best] && random() * ++ties < 1) best = i;
  }
  return best;
}
