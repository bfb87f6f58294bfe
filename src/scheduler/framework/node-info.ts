import { quantityValue } from '#apimachinery/quantity.ts';
import { type Node, podKey } from '../api-objects.ts';
import type { HostPort, PodInfo } from './pod-info.ts';
import { addVector, emptyVector, type ResourceVector, vectorOf } from './resource-vector.ts';

/** A node, the pods on it (assumed ones included), and the sums that filters and scores read. */
export class NodeInfo {
  /** Undefined while only its pods are known: the node was removed, or has not been seen yet. */
  node: Node | undefined;
  allocatable: ResourceVector = emptyVector();
  allowedPods = 0;
  readonly requested: ResourceVector = emptyVector();
  readonly nonZeroRequested: ResourceVector = emptyVector();
  readonly pods = new Map<string, PodInfo>();
  /** Those that keep others away. */
  readonly antiAffinityPods = new Map<string, PodInfo>();
  /** Few pods have any: a list is faster than an index. */
  usedPorts: HostPort[] = [];

  setNode(node: Node): void {
    this.node = node;
    this.allocatable = vectorOf(node.status?.allocatable);
    this.allowedPods = quantityValue(node.status?.allocatable?.['pods']);
  }

  addPod(info: PodInfo): void {
    this.pods.set(podKey(info.pod), info);
    if (info.antiAffinityTerms.length) this.antiAffinityPods.set(podKey(info.pod), info);
    addVector(this.requested, info.requests);
    addVector(this.nonZeroRequested, info.nonZeroRequests);
    if (info.hostPorts.length) this.usedPorts.push(...info.hostPorts);
  }

  removePod(key: string): void {
    const info = this.pods.get(key);
    if (!info) return;
    this.pods.delete(key);
    this.antiAffinityPods.delete(key);
    addVector(this.requested, info.requests, -1);
    addVector(this.nonZeroRequested, info.nonZeroRequests, -1);
    if (info.hostPorts.length) this.usedPorts = [...this.pods.values()].flatMap((p) => p.hostPorts);
  }
}
