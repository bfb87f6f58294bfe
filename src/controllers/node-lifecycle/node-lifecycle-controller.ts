/**
 * Notices nodes that have gone silent and says so: in their conditions, in their taints, and in their pods' readiness.
 * A node speaks through its Lease and its heartbeats; silence is measured on our own clock since they last changed.
 * Pods that do not tolerate the taints are evicted (eviction.ts).
 */
import { deepEqual } from '#apimachinery/deep-equal.ts';
import { isStatusError } from '#apimachinery/status-error.ts';
import { sleep } from '#base/clock.ts';
import { objectKey } from '#client/informer.ts';
import { cachesSynced } from '../cache-sync.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { type Node, type Pod, resources, timestamp } from '../resources.ts';
import { taintEviction } from './eviction.ts';
import { readyOf, unknownConditions } from './node-conditions.ts';
import { isWanted, taintsFor } from './taints.ts';

/** How long a node that never spoke may take to start. Upstream's number. */
const startupGraceMs = 60_000;
const leaseNamespace = 'kube-node-lease';

export function nodeLifecycleController(context: ControllerContext): Controller {
  const { client, informers, clock, recorder } = context;
  const { nodeMonitorGracePeriodMs, nodeMonitorPeriodMs, concurrentSyncs } = context.options;
  const nodes = informers.informer<Node>(resources.nodes);
  const leases = informers.informer(resources.leases, { namespace: leaseNamespace });
  const pods = informers.informer<Pod>(resources.pods);
  const queue = context.newQueue('node_lifecycle_controller');
  const heard = new Map<string, { words: string; at: number }>();

  pods.addIndex('node', (pod) => (pod.spec.nodeName ? [pod.spec.nodeName] : []));
  const eviction = taintEviction(context, nodes, pods);
  nodes.addHandler({
    added: (node) => {
      nodeEvent(node, 'RegisteredNode', `Registered Node ${node.metadata.name} in Controller`);
      queue.add(objectKey(node));
    },
    updated: (node, old) => {
      // Heartbeats alone change no taints.
      const isNews =
        !deepEqual(statesOf(node), statesOf(old)) ||
        !deepEqual(node.spec?.taints, old.spec?.taints) ||
        node.spec?.unschedulable !== old.spec?.unschedulable;
      if (isNews) queue.add(objectKey(node));
    },
    deleted: (node) => {
      heard.delete(node.metadata.name!);
      nodeEvent(node, 'RemovingNode', `Removing Node ${node.metadata.name} from Controller`);
    },
  });

  function nodeEvent(node: Node, reason: string, message: string): void {
    recorder.event(node, 'Normal', reason, `Node ${node.metadata.name} event: ${message}`);
  }

  async function monitor(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      for (const node of nodes.list()) queue.add(objectKey(node));
      await sleep(clock, nodeMonitorPeriodMs, signal);
    }
  }

  async function sync(name: string): Promise<void> {
    const node = nodes.get(name);
    if (!node || node.metadata.deletionTimestamp) return;
    const silent = isSilent(node);
    const judged = silent ? await markUnknown(node) : node;
    if (silent) await Promise.all(pods.byIndex('node', name).map(markPodNotReady));
    const wanted = taintsFor(judged, timestamp(clock.now()), !isEveryNodeLost());
    if (isWanted(judged.spec?.taints ?? [], wanted)) return;
    await client.resource<Node>(resources.nodes).update({ ...judged, spec: { ...judged.spec, taints: wanted } });
  }

  function isSilent(node: Node): boolean {
    return silentForMs(node) > (readyOf(node) ? nodeMonitorGracePeriodMs : startupGraceMs);
  }

  function silentForMs(node: Node): number {
    const name = node.metadata.name!;
    const renewTime = leases.get(`${leaseNamespace}/${name}`)?.['spec']?.renewTime ?? '';
    const words = `${renewTime} ${readyOf(node)?.lastHeartbeatTime ?? ''}`;
    const last = heard.get(name);
    if (last?.words === words) return clock.monotonic() - last.at;
    heard.set(name, { words, at: clock.monotonic() });
    return 0;
  }

  /** When no node at all is heard, the fault is likelier on our side: nothing is evicted for it. */
  function isEveryNodeLost(): boolean {
    return nodes.list().every((node) => readyOf(node)?.status !== 'True' || isSilent(node));
  }

  async function markUnknown(node: Node): Promise<Node> {
    const conditions = unknownConditions(node, timestamp(clock.now()));
    if (deepEqual(conditions, node.status?.conditions)) return node;
    const updated = await client
      .resource<Node>(resources.nodes)
      .updateStatus({ ...node, status: { ...node.status, conditions } });
    recorder.event(node, 'Normal', 'NodeNotReady', `Node ${node.metadata.name} status is now: NodeNotReady`);
    return updated;
  }

  /** Services stop sending to a pod whose node is silent, long before it is evicted. */
  async function markPodNotReady(pod: Pod): Promise<void> {
    if (pod.status?.conditions?.find((c) => c.type === 'Ready')?.status !== 'True') return;
    const conditions = pod.status.conditions.map((c) =>
      c.type === 'Ready' ? { ...c, status: 'False' as const, lastTransitionTime: timestamp(clock.now()) } : c,
    );
    try {
      await client
        .resource<Pod>(resources.pods, pod.metadata.namespace)
        .updateStatus({ ...pod, status: { ...pod.status, conditions } });
      recorder.event(pod, 'Warning', 'NodeNotReady', 'Node is not ready');
    } catch (error) {
      // Gone, or changed since: the next look sees what it has become.
      if (!isStatusError(error, 'NotFound') && !isStatusError(error, 'Conflict')) throw error;
    }
  }

  return {
    name: 'node-lifecycle-controller',
    async run(signal) {
      await cachesSynced(signal, nodes, leases, pods);
      await Promise.all([monitor(signal), queue.process(concurrentSyncs, sync, signal), eviction.run(signal)]);
    },
  };
}

function statesOf(node: Node): string[] {
  return (node.status?.conditions ?? []).map((c) => `${c.type}=${c.status}`);
}
