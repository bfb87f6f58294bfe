import { type LabelSelector, labelSelectorFromObject, matchesLabels } from '#apimachinery/selector/labels.ts';
import { isTolerated, type Node, type Pod, type TopologySpreadConstraint } from '../api-objects.ts';
import type { NodeInfo } from '../framework/node-info.ts';
import { matchesRequiredNodeAffinity } from '../framework/node-selector.ts';
import type { Plugin } from '../framework/plugin.ts';
import { Code } from '../framework/status.ts';

const name = 'PodTopologySpread';
const reason = "node(s) didn't match pod topology spread constraints";

/** One DoNotSchedule constraint with what the cluster looks like to it. */
interface Spread {
  constraint: TopologySpreadConstraint;
  /** Matching pods by value of the topology key, of the nodes that count. */
  counts: Map<string, number>;
  /** Of the emptiest value; 0 while there are fewer values than minDomains. */
  least: number;
  /** 1 when the pod matches its own constraint. */
  self: number;
}

/** Keeps the matching pods of zones, hosts, … within `maxSkew` of each other, where the constraint is a hard one. */
export function podTopologySpread(): Plugin {
  return {
    name,
    preFilter(state, { pod }, nodes) {
      const hard = (pod.spec.topologySpreadConstraints ?? []).filter((c) => c.whenUnsatisfiable === 'DoNotSchedule');
      if (hard.length === 0) return { code: Code.skip, reasons: [] };
      state.write(
        name,
        hard.map((constraint) => spreadOf(pod, constraint, hard, nodes)),
      );
      return undefined;
    },
    filter(state, _pod, { node }) {
      for (const { constraint, counts, least, self } of state.read<Spread[]>(name)!) {
        const value = node!.metadata.labels?.[constraint.topologyKey];
        if (value === undefined) {
          return { code: Code.unschedulableAndUnresolvable, reasons: [`${reason} (missing required label)`] };
        }
        if ((counts.get(value) ?? 0) + self - least > constraint.maxSkew) {
          return { code: Code.unschedulable, reasons: [reason] };
        }
      }
      return undefined;
    },
  };
}

function spreadOf(
  pod: Pod,
  constraint: TopologySpreadConstraint,
  all: readonly TopologySpreadConstraint[],
  nodes: readonly NodeInfo[],
): Spread {
  const selector = selectorOf(pod, constraint);
  const counts = new Map<string, number>();
  for (const { node, pods } of nodes) {
    if (!isCounted(node!, pod, constraint, all)) continue;
    const value = node!.metadata.labels![constraint.topologyKey]!;
    let matching = 0;
    for (const other of pods.values()) {
      const { namespace, labels, deletionTimestamp } = other.pod.metadata;
      if (!deletionTimestamp && namespace === pod.metadata.namespace && matchesLabels(selector, labels)) matching++;
    }
    counts.set(value, (counts.get(value) ?? 0) + matching);
  }
  const isEnough = counts.size >= (constraint.minDomains ?? 1);
  const least = isEnough ? Math.min(...counts.values()) : 0;
  return { constraint, counts, least, self: matchesLabels(selector, pod.metadata.labels) ? 1 : 0 };
}

/** Does the node count? It has all the keys, and (unless told otherwise) the pod's node affinity means it. */
function isCounted(
  node: Node,
  pod: Pod,
  constraint: TopologySpreadConstraint,
  all: readonly TopologySpreadConstraint[],
): boolean {
  const labels = node.metadata.labels ?? {};
  if (!all.every((c) => labels[c.topologyKey] !== undefined)) return false;
  if (constraint.nodeAffinityPolicy !== 'Ignore' && !matchesRequiredNodeAffinity(pod, node)) return false;
  if (constraint.nodeTaintsPolicy !== 'Honor') return true;
  return (node.spec?.taints ?? []).every(
    (t) => t.effect === 'PreferNoSchedule' || isTolerated(t, pod.spec.tolerations ?? []),
  );
}

/** matchLabelKeys adds the pod's own values of those labels. */
function selectorOf(pod: Pod, { labelSelector, matchLabelKeys }: TopologySpreadConstraint): LabelSelector {
  if (!labelSelector || !matchLabelKeys?.length) return labelSelectorFromObject(labelSelector);
  const matchExpressions = [...(labelSelector.matchExpressions ?? [])];
  for (const key of matchLabelKeys) {
    const value = pod.metadata.labels?.[key];
    if (value !== undefined) matchExpressions.push({ key, operator: 'In', values: [value] });
  }
  return labelSelectorFromObject({ ...labelSelector, matchExpressions });
}
