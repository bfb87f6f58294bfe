import type { KubeObject, OwnerReference } from '#apimachinery/object.ts';

const warning =
  '.metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, ' +
  'and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ';

/** In place: the same owner twice is once, and the client is told. */
export function dedupOwnerReferences(object: KubeObject, addWarning: (text: string) => void): void {
  const owners = object.metadata.ownerReferences;
  if (owners === undefined || owners.length < 2) return;
  // By text: comparing each with each would take seconds for the thousands that fit into one body.
  const seen = new Set<string>();
  const duplicates = new Set<string>();
  const kept = owners.filter((owner) => {
    const text = textOf(owner);
    if (seen.has(text)) duplicates.add(owner.uid);
    return !seen.has(text) && seen.add(text);
  });
  if (duplicates.size === 0) return;
  object.metadata.ownerReferences = kept;
  addWarning(`${warning}${[...duplicates].join(', ')}`);
}

function textOf({ apiVersion, kind, name, uid, controller, blockOwnerDeletion }: OwnerReference): string {
  return JSON.stringify([apiVersion, kind, name, uid, controller, blockOwnerDeletion]);
}
