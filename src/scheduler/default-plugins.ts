import facts from '#apis/facts/scheduler.json' with { type: 'json' };
import type { ApiClient } from '#client/client.ts';
import type { NamespaceLabels } from './framework/affinity-term.ts';
import type { WeightedPlugin } from './framework/framework.ts';
import type { Plugin } from './framework/plugin.ts';
import { defaultBinder } from './plugins/default-binder.ts';
import { interPodAffinity } from './plugins/inter-pod-affinity.ts';
import { nodeAffinity } from './plugins/node-affinity.ts';
import { nodeName } from './plugins/node-name.ts';
import { nodePorts } from './plugins/node-ports.ts';
import { nodeResourcesBalancedAllocation } from './plugins/node-resources-balanced-allocation.ts';
import { nodeResourcesFit } from './plugins/node-resources-fit.ts';
import { nodeUnschedulable } from './plugins/node-unschedulable.ts';
import { podTopologySpread } from './plugins/pod-topology-spread.ts';
import { prioritySort } from './plugins/priority-sort.ts';
import { schedulingGates } from './plugins/scheduling-gates.ts';
import { taintToleration } from './plugins/taint-toleration.ts';

/** The default profile: upstream's order and weights, as far as the plugins are here. */
export function defaultPlugins(client: ApiClient, namespaceLabels: NamespaceLabels): WeightedPlugin[] {
  const made = new Map<string, Plugin>(
    [
      schedulingGates(),
      prioritySort(),
      nodeUnschedulable(),
      nodeName(),
      taintToleration(),
      nodeAffinity(),
      nodePorts(),
      nodeResourcesFit(),
      podTopologySpread(),
      interPodAffinity(namespaceLabels),
      nodeResourcesBalancedAllocation(),
      defaultBinder(client),
    ].map((p) => [p.name, p]),
  );
  return (facts.multiPointOrder as [string, number][]).flatMap(([name, weight]) => {
    const plugin = made.get(name);
    return plugin ? [{ plugin, weight }] : [];
  });
}
