/**
 * What the informers tell, sorted: pods with a node and nodes go to the cache, pods without one to the queue; and what
 * changes in the cluster wakes the pods that wait for just that.
 */
import type { Informer } from '#client/informer.ts';
import { type Node, type Pod, podKey } from './api-objects.ts';
import type { SchedulerCache } from './cache/scheduler-cache.ts';
import { podRequests } from './framework/resource-vector.ts';
import type { SchedulingQueue } from './queue/scheduling-queue.ts';

export interface EventTargets {
  cache: SchedulerCache;
  queue: SchedulingQueue;
  /** Whose pods are ours. */
  schedulerName: string;
}

export function handleNodes(nodes: Informer<Node>, { cache, queue }: EventTargets): void {
  nodes.addHandler({
    added(node) {
      cache.setNode(node);
      queue.moveAllOnEvent({ resource: 'Node', action: 'Add' });
    },
    updated(node, old) {
      cache.setNode(node);
      for (const action of nodeActions(node, old)) queue.moveAllOnEvent({ resource: 'Node', action });
    },
    deleted(node) {
      cache.removeNode(node.metadata.name!);
      queue.moveAllOnEvent({ resource: 'Node', action: 'Delete' });
    },
  });
}

export function handlePods(pods: Informer<Pod>, { cache, queue, schedulerName }: EventTargets): void {
  const isOurs = (pod: Pod) => (pod.spec.schedulerName ?? 'default-scheduler') === schedulerName;
  const place = (pod: Pod) => {
    queue.delete(podKey(pod));
    cache.setPod(pod);
  };
  pods.addHandler({
    added(pod) {
      if (pod.spec.nodeName) {
        place(pod);
        queue.moveAllOnEvent({ resource: 'Pod', action: 'Add' });
      } else if (isOurs(pod)) queue.add(pod);
    },
    updated(pod, old) {
      if (!pod.spec.nodeName) {
        if (isOurs(pod) && !cache.isAssumed(podKey(pod))) queue.update(pod, old);
        return;
      }
      place(pod);
      if (!old.spec.nodeName) queue.moveAllOnEvent({ resource: 'Pod', action: 'Add' });
      else for (const action of podActions(pod, old)) queue.moveAllOnEvent({ resource: 'Pod', action });
    },
    deleted(pod) {
      const key = podKey(pod);
      queue.delete(key);
      cache.removePod(key);
      if (pod.spec.nodeName) queue.moveAllOnEvent({ resource: 'Pod', action: 'Delete' });
    },
  });
}

/** Heartbeats change none of these. */
function nodeActions(node: Node, old: Node): string[] {
  const actions: string[] = [];
  if (isDifferent(node.status?.allocatable, old.status?.allocatable)) actions.push('UpdateNodeAllocatable');
  if (isDifferent(node.metadata.labels, old.metadata.labels)) actions.push('UpdateNodeLabel');
  const wasCordoned = Boolean(old.spec?.unschedulable);
  if (isDifferent(node.spec?.taints, old.spec?.taints) || Boolean(node.spec?.unschedulable) !== wasCordoned) {
    actions.push('UpdateNodeTaint');
  }
  return actions;
}

function podActions(pod: Pod, old: Pod): string[] {
  const actions: string[] = [];
  if (isDifferent(pod.metadata.labels, old.metadata.labels)) actions.push('UpdatePodLabel');
  if (isDifferent(pod.spec.containers, old.spec.containers)) {
    const [now, before] = [podRequests(pod), podRequests(old)];
    if (now.milliCpu < before.milliCpu || now.memory < before.memory) actions.push('UpdatePodScaleDown');
  }
  return actions;
}

function isDifferent(a: unknown, b: unknown): boolean {
  return a !== b && JSON.stringify(a) !== JSON.stringify(b);
}
