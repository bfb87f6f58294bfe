import type { OwnerReference } from '#apimachinery/object.ts';
import { isStatusError } from '#apimachinery/status-error.ts';
import type { ApiClient } from '#client/client.ts';
import type { ServedResource } from '../api-resources.ts';
import type { GraphNode } from './graph.ts';

/**
 * solid: exists; waiting: exists, and is being deleted after its dependents; absent: gone, or another by that name.
 * Nothing is deleted on a guess: an owner of a kind that is not served (its definition may come back) counts as solid,
 * and so does a namespaced owner of a cluster-scoped object, which is a mistake that no reading can resolve.
 */
export type OwnerState = 'solid' | 'waiting' | 'absent';

/** Owners found gone: a uid never comes back, and a thousand siblings share one owner. The oldest are forgotten. */
const absentMax = 500;

export function ownerStates(
  client: ApiClient,
  resourceOf: (reference: OwnerReference) => ServedResource | undefined,
): (reference: OwnerReference, dependent: GraphNode) => Promise<OwnerState> {
  const absent = new Set<string>();

  async function read(reference: OwnerReference, dependent: GraphNode): Promise<OwnerState> {
    const { namespace } = dependent.identity;
    const resource = resourceOf(reference);
    if (!resource || (resource.namespaced && namespace === '')) return 'solid';
    const key = `${namespace}/${reference.uid}`;
    if (absent.has(key)) return 'absent';
    try {
      const owner = await client.resource(resource, resource.namespaced ? namespace : '').get(reference.name);
      if (owner.metadata.uid === reference.uid) {
        const isForeground = owner.metadata.finalizers?.includes('foregroundDeletion') ?? false;
        return owner.metadata.deletionTimestamp && isForeground ? 'waiting' : 'solid';
      }
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
    }
    absent.add(key);
    if (absent.size > absentMax) absent.delete(absent.values().next().value!);
    return 'absent';
  }
  return read;
}
