/**
 * Empties a namespace that is being deleted, resource by resource, and lets it go once nothing is left. What is left,
 * and why, stands in the namespace's conditions.
 */
import type { KubeObject } from '#apimachinery/object.ts';
import { isStatusError } from '#apimachinery/status-error.ts';
import { messageOf } from '#base/errors.ts';
import { objectKey } from '#client/informer.ts';
import { type ServedResource, servedResources, withoutAliases } from '../api-resources.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { type Condition, resources, timestamp } from '../resources.ts';

/** How soon to look again while something is left (finalizers, graceful deletions). */
const retryMs = 500;

interface Remains {
  /** `pods.`: how many are left. */
  resources: Map<string, number>;
  finalizers: Map<string, number>;
  errors: string[];
}

export function namespaceController(context: ControllerContext): Controller {
  const { client, informers, clock } = context;
  const namespaces = informers.informer(resources.namespaces);
  const queue = context.newQueue('namespace');
  const enqueue = (namespace: KubeObject) => {
    if (namespace.metadata.deletionTimestamp) queue.add(objectKey(namespace));
  };
  namespaces.addHandler({ added: enqueue, updated: enqueue });

  async function sync(key: string): Promise<number | undefined> {
    let namespace = namespaces.get(key);
    if (!namespace?.metadata.deletionTimestamp) return undefined;
    const finalizers: string[] = namespace['spec']?.finalizers ?? [];
    if (!finalizers.includes('kubernetes')) return undefined;
    const remains = await emptyNamespace(key);
    namespace = await writeConditions(namespace, remains);
    if (remains.resources.size > 0 || remains.errors.length > 0) return retryMs;
    try {
      await client.resource(resources.namespaces).subresource('PUT', key, 'finalize', {
        ...namespace,
        spec: { ...namespace['spec'], finalizers: finalizers.filter((f) => f !== 'kubernetes') },
      });
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
    }
    return undefined;
  }

  async function emptyNamespace(name: string): Promise<Remains> {
    const remains: Remains = { resources: new Map(), finalizers: new Map(), errors: [] };
    const all = withoutAliases(await servedResources(client)).filter(
      (r) => r.namespaced && r.verbs.includes('delete') && r.verbs.includes('list'),
    );
    await Promise.all(
      all.map(async (resource) => {
        try {
          await emptyResource(name, resource, remains);
        } catch (error) {
          remains.errors.push(messageOf(error));
        }
      }),
    );
    return remains;
  }

  async function emptyResource(namespace: string, resource: ServedResource, remains: Remains): Promise<void> {
    const api = client.resource(resource, namespace);
    let { items } = await api.list();
    if (items.length === 0) return;
    if (resource.verbs.includes('deletecollection')) {
      await api.deleteCollection({ propagationPolicy: 'Background' });
    } else {
      for (const item of items) await api.delete(item.metadata.name!, { propagationPolicy: 'Background' });
    }
    ({ items } = await api.list());
    if (items.length === 0) return;
    remains.resources.set(`${resource.resource}.${resource.group}`, items.length);
    for (const finalizer of items.flatMap((item) => item.metadata.finalizers ?? [])) {
      remains.finalizers.set(finalizer, (remains.finalizers.get(finalizer) ?? 0) + 1);
    }
  }

  async function writeConditions(namespace: KubeObject, remains: Remains): Promise<KubeObject> {
    const before = (namespace['status']?.conditions ?? []) as Condition[];
    const conditions = conditionsOf(remains, before, timestamp(clock.now()));
    if (JSON.stringify(conditions) === JSON.stringify(before)) return namespace;
    return client
      .resource(resources.namespaces)
      .updateStatus({ ...namespace, status: { ...namespace['status'], conditions } });
  }

  return {
    name: 'namespace-controller',
    run: (signal) => queue.process(context.options.concurrentSyncs, sync, signal),
  };
}

function conditionsOf(remains: Remains, before: readonly Condition[], now: string): Condition[] {
  const list = (counts: Map<string, number>, what: string) =>
    [...counts]
      .sort()
      .map(([name, count]) => `${name} ${what} ${count} resource instances`)
      .join(', ');
  const make = (type: string, bad: boolean, reasons: [string, string], good: string, text: string): Condition => {
    const status = bad ? 'True' : 'False';
    const old = before.find((c) => c.type === type);
    return {
      type,
      status,
      lastTransitionTime: old?.status === status ? (old.lastTransitionTime ?? now) : now,
      reason: bad ? reasons[0] : reasons[1],
      message: bad ? text : good,
    };
  };
  const contentReasons: [string, string] = ['ContentDeletionFailed', 'ContentDeleted'];
  return [
    make(
      'NamespaceDeletionDiscoveryFailure',
      false,
      ['DiscoveryFailed', 'ResourcesDiscovered'],
      'All resources successfully discovered',
      '',
    ),
    make(
      'NamespaceDeletionGroupVersionParsingFailure',
      false,
      ['GroupVersionParsingFailed', 'ParsedGroupVersions'],
      'All legacy kube types successfully parsed',
      '',
    ),
    make(
      'NamespaceDeletionContentFailure',
      remains.errors.length > 0,
      contentReasons,
      'All content successfully deleted, may be waiting on finalization',
      `Failed to delete all resource types, ${remains.errors.length} remaining: ${remains.errors.join(', ')}`,
    ),
    make(
      'NamespaceContentRemaining',
      remains.resources.size > 0,
      ['SomeResourcesRemain', 'ContentRemoved'],
      'All content successfully removed',
      `Some resources are remaining: ${list(remains.resources, 'has')}`,
    ),
    make(
      'NamespaceFinalizersRemaining',
      remains.finalizers.size > 0,
      ['SomeFinalizersRemain', 'ContentHasNoFinalizers'],
      'All content-preserving finalizers finished',
      `Some content in the namespace has finalizers remaining: ${list(remains.finalizers, 'in')}`,
    ),
  ];
}
