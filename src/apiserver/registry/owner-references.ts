import { deepEqual } from '#apimachinery/deep-equal.ts';
import type { KubeObject, OwnerReference } from '#apimachinery/object.ts';

const warning =
  '.metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, ' +
  'and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ';

/** In place: the same owner twice is once, and the client is told. */
export function dedupOwnerReferences(object: KubeObject, addWarning: (text: string) => void): void {
  const owners = object.metadata.ownerReferences;
  if (owners === undefined || owners.length < 2) return;
  const kept: OwnerReference[] = [];
  const duplicates = new Set<string>();
  for (const owner of owners) {
    if (kept.some((k) => deepEqual(k, owner))) duplicates.add(owner.uid);
    else kept.push(owner);
  }
  if (duplicates.size === 0) return;
  object.metadata.ownerReferences = kept;
  addWarning(`${warning}${[...duplicates].join(', ')}`);
}
