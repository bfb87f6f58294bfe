/**
 * The extension points, by upstream's names and in upstream's order. A plugin is an object with those it wants.
 *
 * Everything up to `permit` is synchronous: the scheduling cycle of a pod sees one unchanging state of the cluster,
 * without copying it. What waits for the outside belongs to `preBind` and later.
 */
import type { Pod } from '../api-objects.ts';
import type { QueuedPodInfo } from '../queue/queued-pod-info.ts';
import type { CycleState } from './cycle-state.ts';
import type { NodeInfo } from './node-info.ts';
import type { PodInfo } from './pod-info.ts';
import type { Status } from './status.ts';

export const maxNodeScore = 100;

export interface Plugin {
  readonly name: string;
  /** May the pod enter the active queue at all? */
  preEnqueue?(pod: Pod): Status | undefined;
  /** queueSort: is `a` to be scheduled before `b`? Exactly one plugin has it. */
  less?(a: QueuedPodInfo, b: QueuedPodInfo): boolean;
  /** Once per pod. */
  preFilter?(state: CycleState, pod: PodInfo, nodes: readonly NodeInfo[]): PreFilterResult | Status | undefined;
  /** Once per pod and node: can it run there? */
  filter?(state: CycleState, pod: PodInfo, node: NodeInfo): Status | undefined;
  /** When no node fits: what could make one fit (preemption)? */
  postFilter?(state: CycleState, pod: PodInfo, diagnosis: Diagnosis): PostFilterResult;
  preScore?(state: CycleState, pod: PodInfo, nodes: readonly NodeInfo[]): Status | undefined;
  /** 0 to 100, or anything when `normalizeScores` makes it so. */
  score?(state: CycleState, pod: PodInfo, node: NodeInfo): number;
  /** In place. */
  normalizeScores?(state: CycleState, pod: PodInfo, scores: Float64Array): void;
  reserve?(state: CycleState, pod: PodInfo, nodeName: string): Status | undefined;
  /** Also called for plugins whose reserve was never reached. */
  unreserve?(state: CycleState, pod: PodInfo, nodeName: string): void;
  permit?(state: CycleState, pod: PodInfo, nodeName: string): Status | undefined;
  preBind?(state: CycleState, pod: PodInfo, nodeName: string): Promise<Status | undefined>;
  /** The first that does not say Skip has done it. */
  bind?(state: CycleState, pod: PodInfo, nodeName: string): Promise<Status | undefined>;
  postBind?(state: CycleState, pod: PodInfo, nodeName: string): void;
}

/** Only these nodes can be meant. */
export interface PreFilterResult {
  nodeNames: Set<string>;
}

export interface PostFilterResult {
  /** Where the pod will fit once what was started is done. */
  nominatedNodeName?: string;
  message?: string;
}

/** Why nothing fitted. */
export interface Diagnosis {
  /** By node name. */
  nodeStatuses: Map<string, Status>;
  unschedulablePlugins: Set<string>;
  preFilterMessage: string;
  postFilterMessage: string;
}
