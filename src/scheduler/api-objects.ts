/** What the scheduler reads of pods and nodes; fields as upstream's core/v1. */
import type { KubeObject } from '#apimachinery/object.ts';
import type { LabelSelectorObject } from '#apimachinery/selector/labels.ts';

export interface Pod extends KubeObject {
  spec: {
    nodeName?: string;
    schedulerName?: string;
    priority?: number;
    containers?: Container[];
    initContainers?: Container[];
    overhead?: ResourceList;
    resources?: { requests?: ResourceList };
    nodeSelector?: Record<string, string>;
    affinity?: {
      nodeAffinity?: {
        requiredDuringSchedulingIgnoredDuringExecution?: { nodeSelectorTerms?: NodeSelectorTerm[] };
        preferredDuringSchedulingIgnoredDuringExecution?: { weight: number; preference: NodeSelectorTerm }[];
      };
      podAffinity?: PodAffinity;
      podAntiAffinity?: PodAffinity;
    };
    topologySpreadConstraints?: TopologySpreadConstraint[];
    tolerations?: Toleration[];
    schedulingGates?: { name: string }[];
    hostNetwork?: boolean;
  };
  status?: { phase?: string; conditions?: PodCondition[]; nominatedNodeName?: string };
}

export interface PodAffinity {
  requiredDuringSchedulingIgnoredDuringExecution?: PodAffinityTerm[];
  preferredDuringSchedulingIgnoredDuringExecution?: { weight: number; podAffinityTerm: PodAffinityTerm }[];
}

export interface PodAffinityTerm {
  topologyKey: string;
  labelSelector?: LabelSelectorObject;
  namespaces?: string[];
  namespaceSelector?: LabelSelectorObject;
}

export interface TopologySpreadConstraint {
  maxSkew: number;
  topologyKey: string;
  whenUnsatisfiable: string;
  labelSelector?: LabelSelectorObject;
  matchLabelKeys?: string[];
  minDomains?: number;
  nodeAffinityPolicy?: string;
  nodeTaintsPolicy?: string;
}

export interface Container {
  name: string;
  image?: string;
  restartPolicy?: string;
  resources?: { requests?: ResourceList };
  ports?: { containerPort: number; hostPort?: number; hostIP?: string; protocol?: string }[];
}

export type ResourceList = Record<string, string | number>;

export interface PodCondition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
}

export interface Toleration {
  key?: string;
  operator?: string;
  value?: string;
  effect?: string;
}

export interface Node extends KubeObject {
  spec?: { unschedulable?: boolean; taints?: Taint[] };
  status?: { allocatable?: ResourceList; capacity?: ResourceList };
}

export interface Taint {
  key: string;
  value?: string;
  effect: string;
}

export interface NodeSelectorTerm {
  matchExpressions?: NodeSelectorRequirement[];
  matchFields?: NodeSelectorRequirement[];
}

export interface NodeSelectorRequirement {
  key: string;
  operator: string;
  values?: string[];
}

export const podsResource = { group: '', version: 'v1', resource: 'pods' };
export const namespacesResource = { group: '', version: 'v1', resource: 'namespaces' };
export const nodesResource = { group: '', version: 'v1', resource: 'nodes' };

export function podKey(pod: Pod): string {
  return `${pod.metadata.namespace}/${pod.metadata.name}`;
}

/** Does `toleration` bear `taint`? */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  switch (toleration.operator) {
    case undefined:
    case '':
    case 'Equal':
      return (toleration.value ?? '') === (taint.value ?? '');
    case 'Exists':
      return true;
    default:
      return false;
  }
}

export function isTolerated(taint: Taint, tolerations: readonly Toleration[]): boolean {
  for (let i = 0; i < tolerations.length; i++) if (tolerates(tolerations[i]!, taint)) return true;
  return false;
}
