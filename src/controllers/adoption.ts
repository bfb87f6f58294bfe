/**
 * Claiming: an object that matches the selector and has no controller is adopted; one that is ours and no longer
 * matches is released. Adoption is preceded by a fresh read of the owner, so that one being deleted adopts nothing.
 */
import type { GroupVersionResource } from '#apimachinery/group-version.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { matchesLabels, type LabelSelector as ParsedSelector } from '#apimachinery/selector/labels.ts';
import { isStatusError } from '#apimachinery/status-error.ts';
import type { ApiClient } from '#client/client.ts';
import { controllerOf } from './resources.ts';

export interface ClaimOptions {
  client: ApiClient;
  owner: KubeObject;
  ownerResource: GroupVersionResource;
  childResource: GroupVersionResource;
  selector: ParsedSelector;
}

export async function claim<T extends KubeObject>(candidates: readonly T[], options: ClaimOptions): Promise<T[]> {
  const { owner, selector } = options;
  const claimed: T[] = [];
  let canAdopt: Promise<boolean> | undefined;
  for (const child of candidates) {
    const controller = controllerOf(child);
    const isMatch = matchesLabels(selector, child.metadata.labels ?? {});
    if (controller) {
      if (controller.uid !== owner.metadata.uid) continue;
      if (isMatch) claimed.push(child);
      else if (!owner.metadata.deletionTimestamp) await release(child, options);
      continue;
    }
    if (!isMatch || child.metadata.deletionTimestamp || owner.metadata.deletionTimestamp) continue;
    canAdopt ??= isStillThere(options);
    if (await canAdopt) {
      const adopted = await adopt(child, options);
      if (adopted) claimed.push(adopted);
    }
  }
  return claimed;
}

async function isStillThere({ client, owner, ownerResource }: ClaimOptions): Promise<boolean> {
  const fresh = await client.resource(ownerResource, owner.metadata.namespace).get(owner.metadata.name!);
  return fresh.metadata.uid === owner.metadata.uid && !fresh.metadata.deletionTimestamp;
}

async function adopt<T extends KubeObject>(child: T, options: ClaimOptions): Promise<T | undefined> {
  const ownerReferences = [...(child.metadata.ownerReferences ?? []), ownerReference(options.owner)];
  return patchOwners(child, ownerReferences, options);
}

async function release(child: KubeObject, options: ClaimOptions): Promise<void> {
  const kept = (child.metadata.ownerReferences ?? []).filter((o) => o.uid !== options.owner.metadata.uid);
  await patchOwners(child, kept, options);
}

async function patchOwners<T extends KubeObject>(
  child: T,
  ownerReferences: object[],
  { client, childResource }: ClaimOptions,
): Promise<T | undefined> {
  const { uid, resourceVersion, name, namespace } = child.metadata;
  try {
    const patch = { metadata: { uid, resourceVersion, ownerReferences } };
    return await client.resource<T>(childResource, namespace).patch(name!, 'application/merge-patch+json', patch);
  } catch (error) {
    // Gone, or changed since: the next sync sees what it has become.
    if (isStatusError(error, 'NotFound') || isStatusError(error, 'Conflict')) return undefined;
    throw error;
  }
}

export function ownerReference(owner: KubeObject): object {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}
