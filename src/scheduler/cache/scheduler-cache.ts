/**
 * The nodes and the pods on them, as the informers told, plus the pods the scheduler has *assumed*: decided for a node
 * whose binding is still on its way. An assumed pod counts from the decision on, so that the next pod does not take
 * its room; it is confirmed when the informer shows it bound, or forgotten when binding fails.
 */
import { type Node, type Pod, podKey } from '../api-objects.ts';
import { NodeInfo } from '../framework/node-info.ts';
import { newPodInfo, type PodInfo } from '../framework/pod-info.ts';

export class SchedulerCache {
  #nodes = new Map<string, NodeInfo>();
  /** Pod key to the name of the node it is on. */
  #podNodes = new Map<string, string>();
  #assumed = new Set<string>();
  /** Nodes that exist, in a stable order; made anew after one came or went. */
  #list: NodeInfo[] | undefined;

  /** Those that exist; do not change it. */
  get nodes(): readonly NodeInfo[] {
    this.#list ??= [...this.#nodes.values()].filter((n) => n.node !== undefined);
    return this.#list;
  }

  node(name: string): NodeInfo | undefined {
    const info = this.#nodes.get(name);
    return info?.node && info;
  }

  get podCount(): number {
    return this.#podNodes.size;
  }

  get assumedCount(): number {
    return this.#assumed.size;
  }

  setNode(node: Node): void {
    const info = this.#nodeInfo(node.metadata.name!);
    if (!info.node) this.#list = undefined;
    info.setNode(node);
  }

  /** Its pods stay until they are deleted too. */
  removeNode(name: string): void {
    const info = this.#nodes.get(name);
    if (!info) return;
    info.node = undefined;
    this.#list = undefined;
    this.#dropIfEmpty(name, info);
  }

  /** A pod that has a node: new, changed, or an assumed one confirmed. */
  setPod(pod: Pod): void {
    this.#place(newPodInfo(pod), pod.spec.nodeName!);
    this.#assumed.delete(podKey(pod));
  }

  removePod(key: string): void {
    const name = this.#podNodes.get(key);
    if (name === undefined) return;
    this.#podNodes.delete(key);
    this.#assumed.delete(key);
    const info = this.#nodes.get(name)!;
    info.removePod(key);
    this.#dropIfEmpty(name, info);
  }

  assume(info: PodInfo, nodeName: string): void {
    const key = podKey(info.pod);
    this.#place(info, nodeName);
    this.#assumed.add(key);
  }

  /** Only while it is assumed: once confirmed, the informer's word counts. */
  forget(key: string): void {
    if (this.#assumed.has(key)) this.removePod(key);
  }

  isAssumed(key: string): boolean {
    return this.#assumed.has(key);
  }

  #place(info: PodInfo, nodeName: string): void {
    const key = podKey(info.pod);
    this.removePod(key);
    this.#nodeInfo(nodeName).addPod(info);
    this.#podNodes.set(key, nodeName);
  }

  #nodeInfo(name: string): NodeInfo {
    let info = this.#nodes.get(name);
    if (!info) {
      info = new NodeInfo();
      this.#nodes.set(name, info);
    }
    return info;
  }

  #dropIfEmpty(name: string, info: NodeInfo): void {
    if (!info.node && info.pods.size === 0) this.#nodes.delete(name);
  }
}
