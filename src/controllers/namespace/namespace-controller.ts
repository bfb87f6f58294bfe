/**
 * Empties a namespace that is being deleted, its pods before all else, and lets it go once nothing is left. What is
 * left, and why, stands in the namespace's conditions.
 */
import { deepEqual } from '#apimachinery/deep-equal.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { isStatusError } from '#apimachinery/status-error.ts';
import { objectKey } from '#client/informer.ts';
import { cachesSynced } from '../cache-sync.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { type Condition, resources, timestamp } from '../resources.ts';
import { emptyNamespace, type Remains } from './content.ts';
import { conditionsOf } from './deletion-conditions.ts';

/**
 * Let go no sooner than this after its deletion was seen: another API server may not have heard of it yet, and what it
 * lets in meanwhile would be left in no namespace at all.
 */
const settleMs = 2_000;
/** How soon to look again while something is left (finalizers, pods that stop): doubled each time. */
const retryMinMs = 500;
const retryMaxMs = 15_000;

interface Progress {
  seenAt: number;
  tries: number;
}

export function namespaceController(context: ControllerContext): Controller {
  const { client, informers, clock } = context;
  const namespaces = informers.informer(resources.namespaces);
  const queue = context.newQueue('namespace');
  const inProgress = new Map<string, Progress>();
  const enqueue = (namespace: KubeObject) => {
    if (namespace.metadata.deletionTimestamp) queue.add(objectKey(namespace));
  };
  namespaces.addHandler({
    added: enqueue,
    updated: (namespace, old) => {
      // Not for the conditions that we write ourselves.
      const isNews = !old.metadata.deletionTimestamp || !deepEqual(old['spec'], namespace['spec']);
      if (isNews) enqueue(namespace);
    },
    deleted: (namespace) => inProgress.delete(namespace.metadata.name!),
  });

  async function sync(key: string): Promise<number | undefined> {
    const namespace = namespaces.get(key);
    if (!namespace?.metadata.deletionTimestamp) return undefined;
    const finalizers: string[] = namespace['spec']?.finalizers ?? [];
    if (!finalizers.includes('kubernetes')) return undefined;
    const progress = inProgress.get(key) ?? { seenAt: clock.monotonic(), tries: 0 };
    inProgress.set(key, progress);
    const remains = await emptyNamespace(client, key);
    const current = await writeConditions(namespace, remains);
    if (remains.resources.size > 0 || remains.errors.length > 0 || remains.undiscovered.length > 0) {
      return Math.min(retryMaxMs, retryMinMs * 2 ** progress.tries++);
    }
    const unsettledMs = progress.seenAt + settleMs - clock.monotonic();
    if (unsettledMs > 0) return unsettledMs;
    try {
      await client.resource(resources.namespaces).subresource('PUT', key, 'finalize', {
        ...current,
        spec: { ...current['spec'], finalizers: finalizers.filter((f) => f !== 'kubernetes') },
      });
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
    }
    return undefined;
  }

  async function writeConditions(namespace: KubeObject, remains: Remains): Promise<KubeObject> {
    const before = (namespace['status']?.conditions ?? []) as Condition[];
    const conditions = conditionsOf(remains, before, timestamp(clock.now()));
    if (deepEqual(conditions, before)) return namespace;
    return client
      .resource(resources.namespaces)
      .updateStatus({ ...namespace, status: { ...namespace['status'], conditions } });
  }

  return {
    name: 'namespace-controller',
    async run(signal) {
      await cachesSynced(signal, namespaces);
      await queue.process(context.options.concurrentSyncs, sync, signal);
    },
  };
}
