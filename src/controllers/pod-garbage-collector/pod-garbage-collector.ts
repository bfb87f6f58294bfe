/**
 * Deletes pods that nobody else will: finished ones beyond a number, those bound to a node that no longer exists, and
 * those that were to be deleted before they ever got a node.
 */
import { isStatusError } from '#apimachinery/status-error.ts';
import { sleep } from '#base/clock.ts';
import { messageOf } from '#base/errors.ts';
import { cachesSynced } from '../cache-sync.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { isPodOver, type Node, type Pod, resources, timestamp } from '../resources.ts';

/** Upstream's numbers. */
const checkPeriodMs = 20_000;
const quarantineMs = 40_000;
const terminatedPodsMax = 12_500;

export function podGarbageCollector(context: ControllerContext): Controller {
  const { client, informers, clock, log } = context;
  const nodes = informers.informer<Node>(resources.nodes);
  const pods = informers.informer<Pod>(resources.pods);
  /** Missing nodes: since when. A node that is made again keeps its pods. */
  const missingSince = new Map<string, number>();

  async function collect(): Promise<void> {
    const all = pods.list();
    await Promise.all([
      ...excessTerminated(all, terminatedPodsMax).map((pod) => remove(pod)),
      ...(await orphaned(all)).map((pod) => remove(pod, true)),
      ...all.filter((pod) => pod.metadata.deletionTimestamp && !pod.spec.nodeName).map((pod) => remove(pod)),
    ]);
  }

  async function orphaned(all: readonly Pod[]): Promise<Pod[]> {
    const byMissingNode = new Map<string, Pod[]>();
    for (const pod of all) {
      const { nodeName } = pod.spec;
      if (!nodeName || nodes.get(nodeName)) continue;
      byMissingNode.set(nodeName, [...(byMissingNode.get(nodeName) ?? []), pod]);
    }
    for (const name of missingSince.keys()) if (!byMissingNode.has(name)) missingSince.delete(name);
    const found: Pod[] = [];
    for (const [name, itsPods] of byMissingNode) {
      const since = missingSince.get(name) ?? clock.monotonic();
      missingSince.set(name, since);
      if (clock.monotonic() - since >= quarantineMs && !(await nodeExists(name))) found.push(...itsPods);
    }
    return found;
  }

  /** Asked of the API itself: our copy may be behind. */
  async function nodeExists(name: string): Promise<boolean> {
    try {
      await client.resource(resources.nodes).get(name);
      return true;
    } catch (error) {
      if (isStatusError(error, 'NotFound')) return false;
      throw error;
    }
  }

  /** At once: there is no kubelet to stop it gently. */
  async function remove(pod: Pod, isOrphaned = false): Promise<void> {
    const { namespace, name, uid } = pod.metadata;
    const api = client.resource<Pod>(resources.pods, namespace);
    try {
      if (isOrphaned && !isPodOver(pod)) {
        const status = { phase: 'Failed', conditions: [disruption(timestamp(clock.now()))] };
        const patch = { metadata: { uid }, status };
        await api.patch(name!, 'application/strategic-merge-patch+json', patch, { subresource: 'status' });
      }
      await api.delete(name!, { gracePeriodSeconds: 0, preconditions: { uid: uid! } });
    } catch (error) {
      if (isStatusError(error, 'NotFound')) return;
      log.warn({ pod: `${namespace}/${name}`, error: messageOf(error) }, 'a pod could not be collected');
    }
  }

  return {
    name: 'pod-garbage-collector-controller',
    async run(signal) {
      await cachesSynced(signal, nodes, pods);
      while (!signal.aborted) {
        try {
          await collect();
        } catch (error) {
          log.warn({ error: messageOf(error) }, 'pods could not be collected: trying again');
        }
        await sleep(clock, checkPeriodMs, signal);
      }
    },
  };
}

/** The oldest first. */
export function excessTerminated(all: readonly Pod[], max: number): Pod[] {
  const over = all.filter((pod) => isPodOver(pod) && !pod.metadata.deletionTimestamp);
  const createdAt = (pod: Pod) => pod.metadata.creationTimestamp ?? '';
  return over.length <= max
    ? []
    : over.sort((a, b) => (createdAt(a) < createdAt(b) ? -1 : 1)).slice(0, over.length - max);
}

function disruption(now: string) {
  return {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'DeletionByPodGC',
    message: 'PodGC: node no longer exists',
    lastTransitionTime: now,
  };
}
