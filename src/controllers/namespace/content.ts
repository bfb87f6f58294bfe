/** Deleting what is in a namespace, and counting what stays. */
import { formatGroupResource } from '#apimachinery/group-version.ts';
import { messageOf } from '#base/errors.ts';
import type { ApiClient } from '#client/client.ts';
import { discover, type ServedResource } from '../api-resources.ts';

export interface Remains {
  /** `pods.`: how many are left. */
  resources: Map<string, number>;
  /** Finalizer: how many objects it holds. */
  finalizers: Map<string, number>;
  /** Deletions that failed. */
  errors: string[];
  /** `group/version` that did not answer: whether it holds something here is not known. */
  undiscovered: string[];
}

/**
 * Asks for the deletion of everything. Pods come first, and only when they are gone the rest: what protects them
 * (network policies) or serves them must outlive them.
 */
export async function emptyNamespace(client: ApiClient, namespace: string): Promise<Remains> {
  const { resources, stale } = await discover(client);
  const remains: Remains = { resources: new Map(), finalizers: new Map(), errors: [], undiscovered: stale };
  const deletable = resources.filter((r) => r.namespaced && r.verbs.includes('delete') && r.verbs.includes('list'));
  const isPods = (r: ServedResource) => r.group === '' && r.resource === 'pods';
  const empty = async (resource: ServedResource) => {
    try {
      await emptyResource(client, namespace, resource, remains);
    } catch (error) {
      remains.errors.push(messageOf(error));
    }
  };
  await Promise.all(deletable.filter(isPods).map(empty));
  if (remains.resources.size > 0) return remains;
  await Promise.all(deletable.filter((r) => !isPods(r)).map(empty));
  return remains;
}

async function emptyResource(
  client: ApiClient,
  namespace: string,
  resource: ServedResource,
  remains: Remains,
): Promise<void> {
  const api = client.resource(resource, namespace);
  let { items } = await api.list();
  if (items.length === 0) return;
  const unasked = items.filter((item) => !item.metadata.deletionTimestamp);
  if (unasked.length > 0 && resource.verbs.includes('deletecollection')) {
    await api.deleteCollection({ propagationPolicy: 'Background' });
  } else {
    for (const item of unasked) await api.delete(item.metadata.name!, { propagationPolicy: 'Background' });
  }
  if (unasked.length > 0) ({ items } = await api.list());
  if (items.length === 0) return;
  const { group } = resource;
  remains.resources.set(group ? formatGroupResource(resource) : `${resource.resource}.`, items.length);
  for (const finalizer of items.flatMap((item) => item.metadata.finalizers ?? [])) {
    remains.finalizers.set(finalizer, (remains.finalizers.get(finalizer) ?? 0) + 1);
  }
}
