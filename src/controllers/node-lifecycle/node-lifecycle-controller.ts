/**
 * Notices nodes that have gone silent, says so in their conditions and taints, and evicts the pods that do not tolerate
 * it. A node speaks through its Lease; silence is measured on our own clock since the Lease last changed.
 */

import type { KubeObject } from '#apimachinery/object.ts';
import { isStatusError } from '#apimachinery/status-error.ts';
import { sleep } from '#base/clock.ts';
import { messageOf } from '#base/errors.ts';
import { objectKey } from '#client/informer.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { type Condition, type Node, type Pod, resources, timestamp } from '../resources.ts';
import { evictAfterMs, isWanted, taintsFor } from './taints.ts';

export function nodeLifecycleController(context: ControllerContext): Controller {
  const { client, informers, clock, recorder, log } = context;
  const { nodeMonitorGracePeriodMs, nodeMonitorPeriodMs } = context.options;
  const nodes = informers.informer<Node>(resources.nodes);
  const leases = informers.informer(resources.leases, { namespace: 'kube-node-lease' });
  const pods = informers.informer<Pod>(resources.pods);
  const evictions = context.newQueue('taint_eviction');
  const heard = new Map<string, { renewTime: string; at: number }>();

  pods.addIndex('node', (pod) => (pod.spec.nodeName ? [pod.spec.nodeName] : []));
  nodes.addHandler({
    added: (node) => enqueuePodsOf(node),
    updated: (node, old) => {
      if (JSON.stringify(node.spec?.taints) !== JSON.stringify(old.spec?.taints)) enqueuePodsOf(node);
    },
    deleted: (node) => heard.delete(node.metadata.name!),
  });
  pods.addHandler({
    added: (pod) => enqueuePod(pod),
    updated: (pod, old) => {
      if (pod.spec.nodeName !== old.spec.nodeName) enqueuePod(pod);
    },
  });

  function enqueuePodsOf(node: Node): void {
    for (const pod of pods.byIndex('node', node.metadata.name!)) enqueuePod(pod);
  }

  function enqueuePod(pod: Pod): void {
    const node = pod.spec.nodeName ? nodes.get(pod.spec.nodeName) : undefined;
    if (node?.spec?.taints?.some((t) => t.effect === 'NoExecute')) evictions.add(objectKey(pod));
  }

  async function monitor(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      for (const node of nodes.list()) {
        try {
          await check(node);
        } catch (error) {
          if (!isStatusError(error, 'Conflict') && !isStatusError(error, 'NotFound')) {
            log.warn({ node: node.metadata.name, error: messageOf(error) }, 'node could not be checked');
          }
        }
      }
      await sleep(clock, nodeMonitorPeriodMs, signal);
    }
  }

  async function check(node: Node): Promise<void> {
    const isSilent = silentForMs(node) > nodeMonitorGracePeriodMs;
    const marked = isSilent ? await markUnknown(node) : node;
    const wanted = taintsFor(marked, timestamp(clock.now()));
    if (isWanted(marked.spec?.taints ?? [], wanted)) return;
    await client.resource<Node>(resources.nodes).update({ ...marked, spec: { ...marked.spec, taints: wanted } });
    enqueuePodsOf(marked);
  }

  function silentForMs(node: Node): number {
    const name = node.metadata.name!;
    const heartbeats = (node.status?.conditions ?? []).find((c) => c.type === 'Ready')?.lastHeartbeatTime ?? '';
    const renewTime = `${leases.get(`kube-node-lease/${name}`)?.['spec']?.renewTime ?? ''} ${heartbeats}`;
    const last = heard.get(name);
    if (last?.renewTime === renewTime) return clock.monotonic() - last.at;
    heard.set(name, { renewTime, at: clock.monotonic() });
    return 0;
  }

  async function markUnknown(node: Node): Promise<Node> {
    const conditions = node.status?.conditions ?? [];
    const known = conditions.filter((c) => c.status !== 'Unknown');
    const types = new Set([...conditions.map((c) => c.type), 'Ready']);
    if (known.length === 0 && conditions.length > 0) return node;
    const now = timestamp(clock.now());
    const unknown = [...types].map((type): Condition => {
      const before = conditions.find((c) => c.type === type);
      if (before?.status === 'Unknown' || (before && type === 'NetworkUnavailable')) return before;
      return {
        ...before,
        type,
        status: 'Unknown',
        reason: before ? 'NodeStatusUnknown' : 'NodeStatusNeverUpdated',
        message: before ? 'Kubelet stopped posting node status.' : 'Kubelet never posted node status.',
        lastTransitionTime: now,
      };
    });
    if (JSON.stringify(unknown) === JSON.stringify(conditions)) return node;
    recorder.event(node, 'Normal', 'NodeNotReady', `Node ${node.metadata.name} status is now: NodeNotReady`);
    const updated = await client
      .resource<Node>(resources.nodes)
      .updateStatus({ ...node, status: { ...node.status, conditions: unknown } });
    await Promise.all(pods.byIndex('node', node.metadata.name!).map(markPodNotReady));
    return updated;
  }

  /** Services stop sending to a pod whose node is silent, long before it is evicted. */
  async function markPodNotReady(pod: Pod): Promise<void> {
    const ready = pod.status?.conditions?.find((c) => c.type === 'Ready');
    if (ready?.status !== 'True') return;
    const conditions = pod.status!.conditions!.map((c) =>
      c.type === 'Ready' ? { ...c, status: 'False' as const, lastTransitionTime: timestamp(clock.now()) } : c,
    );
    try {
      await client
        .resource<Pod>(resources.pods, pod.metadata.namespace)
        .updateStatus({ ...pod, status: { ...pod.status, conditions } });
    } catch (error) {
      if (!isStatusError(error, 'NotFound') && !isStatusError(error, 'Conflict')) throw error;
    }
  }

  /** Deletes the pod when its time on the tainted node is up; else says how long that is. */
  async function evict(key: string): Promise<number | undefined> {
    const pod = pods.get(key);
    if (!pod?.spec.nodeName || pod.metadata.deletionTimestamp) return undefined;
    const taints = (nodes.get(pod.spec.nodeName)?.spec?.taints ?? []).filter((t) => t.effect === 'NoExecute');
    if (taints.length === 0) return undefined;
    const waitMs = evictAfterMs(pod, taints, clock.now());
    if (waitMs === undefined) return undefined;
    if (waitMs > 0) return waitMs;
    recorder.event(pod, 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${key}`);
    try {
      await client
        .resource<KubeObject>(resources.pods, pod.metadata.namespace)
        .delete(pod.metadata.name!, { preconditions: { uid: pod.metadata.uid! } });
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
    }
    return undefined;
  }

  return {
    name: 'node-lifecycle-controller',
    async run(signal) {
      await Promise.all([nodes.whenSynced(signal), leases.whenSynced(signal), pods.whenSynced(signal)]);
      await Promise.all([monitor(signal), evictions.process(context.options.concurrentSyncs, evict, signal)]);
    },
  };
}
