import type { Node, Pod } from '../api-objects.ts';
import {
  type AffinityTerm,
  matchesAffinityTerm,
  type NamespaceLabels,
  parseAffinityTerm,
} from '../framework/affinity-term.ts';
import type { CycleState } from '../framework/cycle-state.ts';
import type { NodeInfo } from '../framework/node-info.ts';
import { maxNodeScore, type Plugin } from '../framework/plugin.ts';
import type { PodInfo } from '../framework/pod-info.ts';
import { Code, type Status } from '../framework/status.ts';

const name = 'InterPodAffinity';

/** Counted once for the pod in hand; "place" is one value of one topology key, such as a zone. */
interface Counts {
  /** Places of pods that match all affinity terms. */
  near: Set<string>;
  /** Places of pods that match one of the anti-affinity terms. */
  avoided: Set<string>;
  /** Places of pods whose own anti-affinity keeps this one away. */
  forbidden: Set<string>;
}

/** Pods that want to be near others, or apart; who is there already has a say too. */
export function interPodAffinity(namespaceLabels: NamespaceLabels): Plugin {
  const matches = (term: AffinityTerm, pod: Pod) => matchesAffinityTerm(term, pod, namespaceLabels);
  return {
    name,
    preFilter(state, info, nodes) {
      const counts = count(info, nodes, matches);
      const { affinityTerms, antiAffinityTerms } = info;
      if (affinityTerms.length + antiAffinityTerms.length + counts.forbidden.size === 0) {
        return { code: Code.skip, reasons: [] };
      }
      state.write(`${name}/counts`, counts);
      return undefined;
    },
    filter(state, info, { node }) {
      const { near, avoided, forbidden } = state.read<Counts>(`${name}/counts`)!;
      const { affinityTerms, antiAffinityTerms, pod } = info;
      // The first of a group that wants to be together may begin anywhere.
      const isFirst = near.size === 0 && affinityTerms.every((t) => matches(t, pod));
      for (const { topologyKey } of affinityTerms) {
        const place = placeOf(node!, topologyKey);
        if (place === undefined || !(isFirst || near.has(place))) {
          return refuse("node(s) didn't match pod affinity rules", Code.unschedulableAndUnresolvable);
        }
      }
      for (const { topologyKey } of antiAffinityTerms) {
        const place = placeOf(node!, topologyKey);
        if (place !== undefined && avoided.has(place)) return refuse("node(s) didn't match pod anti-affinity rules");
      }
      if (forbidden.size > 0) {
        for (const key in node!.metadata.labels) {
          if (forbidden.has(placeOf(node!, key)!)) {
            return refuse("node(s) didn't satisfy existing pods anti-affinity rules");
          }
        }
      }
      return undefined;
    },
    preScore(state, { pod }, nodes) {
      const weights = preferredPlaces(pod, nodes, matches);
      if (weights.size === 0) return { code: Code.skip, reasons: [] };
      state.write(`${name}/weights`, weights);
      return undefined;
    },
    score(state, _pod, { node }) {
      let sum = 0;
      for (const [place, weight] of weightsOf(state)) if (isIn(node!, place)) sum += weight;
      return sum;
    },
    normalizeScores(_state, _pod, scores) {
      const min = scores.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
      const max = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      for (let i = 0; i < scores.length; i++) {
        scores[i] = max === min ? 0 : Math.floor((maxNodeScore * (scores[i]! - min)) / (max - min));
      }
    },
  };
}

type Matches = (term: AffinityTerm, pod: Pod) => boolean;

function count(info: PodInfo, nodes: readonly NodeInfo[], matches: Matches): Counts {
  const { affinityTerms, antiAffinityTerms, pod } = info;
  const counts: Counts = { near: new Set(), avoided: new Set(), forbidden: new Set() };
  for (const { node, pods, antiAffinityPods } of nodes) {
    for (const other of antiAffinityPods.values()) {
      for (const term of other.antiAffinityTerms) {
        if (matches(term, pod)) addPlace(counts.forbidden, node!, term.topologyKey);
      }
    }
    if (affinityTerms.length + antiAffinityTerms.length === 0) continue;
    for (const other of pods.values()) {
      if (affinityTerms.length > 0 && affinityTerms.every((t) => matches(t, other.pod))) {
        for (const term of affinityTerms) addPlace(counts.near, node!, term.topologyKey);
      }
      for (const term of antiAffinityTerms) {
        if (matches(term, other.pod)) addPlace(counts.avoided, node!, term.topologyKey);
      }
    }
  }
  return counts;
}

/** By place: the weights of the preferred terms that pods there match; anti-affinity counts against it. */
function preferredPlaces(pod: Pod, nodes: readonly NodeInfo[], matches: Matches): Map<string, number> {
  const preferred = [
    ...(pod.spec.affinity?.podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(pod.spec.affinity?.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((p) => ({
      ...p,
      weight: -p.weight,
    })),
  ].map(({ weight, podAffinityTerm }) => ({ weight, term: parseAffinityTerm(pod, podAffinityTerm) }));
  const weights = new Map<string, number>();
  if (preferred.length === 0) return weights;
  for (const { node, pods } of nodes) {
    for (const other of pods.values()) {
      for (const { weight, term } of preferred) {
        const place = placeOf(node!, term.topologyKey);
        if (place !== undefined && matches(term, other.pod)) weights.set(place, (weights.get(place) ?? 0) + weight);
      }
    }
  }
  return weights;
}

function weightsOf(state: CycleState): Map<string, number> {
  return state.read(`${name}/weights`)!;
}

/** `zone=a`; label keys have no `=`. */
function placeOf(node: Node, topologyKey: string): string | undefined {
  const value = node.metadata.labels?.[topologyKey];
  return value === undefined ? undefined : `${topologyKey}=${value}`;
}

function isIn(node: Node, place: string): boolean {
  return placeOf(node, place.slice(0, place.indexOf('='))) === place;
}

function addPlace(places: Set<string>, node: Node, topologyKey: string): void {
  const place = placeOf(node, topologyKey);
  if (place !== undefined) places.add(place);
}

function refuse(reason: string, code: Status['code'] = Code.unschedulable): Status {
  return { code, reasons: [reason] };
}
