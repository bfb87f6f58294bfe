/** Deletes pods from nodes whose NoExecute taints they do not tolerate, or no longer. */
import { deepEqual } from '#apimachinery/deep-equal.ts';
import { isStatusError } from '#apimachinery/status-error.ts';
import { type Informer, objectKey } from '#client/informer.ts';
import type { ControllerContext } from '../controller.ts';
import { type Node, type Pod, resources, type Taint, timestamp } from '../resources.ts';
import { evictAfterMs } from './taints.ts';

/** `pods` must have the index `node`. */
export function taintEviction(
  { client, clock, recorder, newQueue, options }: ControllerContext,
  nodes: Informer<Node>,
  pods: Informer<Pod>,
): { run(signal: AbortSignal): Promise<void> } {
  const queue = newQueue('taint_eviction');
  nodes.addHandler({
    added: enqueuePodsOf,
    updated: (node, old) => {
      if (!deepEqual(noExecuteTaints(node), noExecuteTaints(old))) enqueuePodsOf(node);
    },
  });
  pods.addHandler({
    added: enqueue,
    updated: (pod, old) => {
      if (pod.spec.nodeName !== old.spec.nodeName) enqueue(pod);
    },
  });

  function enqueuePodsOf(node: Node): void {
    for (const pod of pods.byIndex('node', node.metadata.name!)) enqueue(pod);
  }

  function enqueue(pod: Pod): void {
    if (noExecuteTaints(nodes.get(pod.spec.nodeName ?? '')).length > 0) queue.add(objectKey(pod));
  }

  /** Deletes the pod when its time on the tainted node is up; else says how long that is. */
  async function sync(key: string): Promise<number | undefined> {
    const pod = pods.get(key);
    if (!pod?.spec.nodeName || pod.metadata.deletionTimestamp) return undefined;
    const taints = noExecuteTaints(nodes.get(pod.spec.nodeName));
    if (taints.length === 0) return undefined;
    const waitMs = evictAfterMs(pod, taints, clock.now());
    if (waitMs === undefined || waitMs > 0) return waitMs;
    await evict(pod);
    return undefined;
  }

  async function evict(pod: Pod): Promise<void> {
    const { namespace, name, uid } = pod.metadata;
    const api = client.resource<Pod>(resources.pods, namespace);
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'DeletionByTaintManager',
      message: 'Taint manager: deleting due to NoExecute taint',
      lastTransitionTime: timestamp(clock.now()),
    };
    recorder.event(pod, 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${namespace}/${name}`);
    try {
      const patch = { metadata: { uid }, status: { conditions: [condition] } };
      await api.patch(name!, 'application/strategic-merge-patch+json', patch, { subresource: 'status' });
      await api.delete(name!, { preconditions: { uid: uid! } });
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
    }
  }

  return { run: (signal) => queue.process(options.concurrentSyncs, sync, signal) };
}

function noExecuteTaints(node: Node | undefined): Taint[] {
  return (node?.spec?.taints ?? []).filter((t) => t.effect === 'NoExecute');
}
