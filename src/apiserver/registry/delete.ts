/** Deletion in upstream's steps: preconditions, grace period, finalizers; only when nothing holds it the key goes. */

import type { KubeObject } from '#apimachinery/object.ts';
import { apiErrors } from '#apimachinery/status-error.ts';
import { formatTime, parseTime } from '#apimachinery/time.ts';
import type { Strategy } from '#apis/kind.ts';
import type { StoredObject } from '#storage/storage.ts';
import { EphemeralEntry } from './ephemeral-entry.ts';
import { orderMetadata } from './object-meta.ts';
import type { DeleteOptions, WriteContext } from './registry.ts';
import type { Resource } from './resource-registry.ts';

const foregroundFinalizer = 'foregroundDeletion';
const orphanFinalizer = 'orphan';

export async function deleteObject(
  resource: Resource,
  context: WriteContext,
  namespace: string,
  name: string,
  options: DeleteOptions,
): Promise<{ entry: StoredObject; deleted: boolean }> {
  const { info, storage, codec, strategy } = resource;
  const key = resource.key(namespace, name);
  let removed: KubeObject | undefined;

  const step = async (current: KubeObject | undefined): Promise<KubeObject | undefined> => {
    removed = undefined;
    if (!current) throw apiErrors.notFound(info, name);
    await admitDeletion(resource, context, namespace, name, current, options);
    checkPreconditions(resource, name, current, options);
    const outcome = nextStep(strategy, current, options, resource.options.clock.now());
    orderMetadata(current);
    if (outcome === 'keep') return current;
    removed = current;
    return undefined;
  };

  if (context.dryRun) {
    const existing = await storage.get(key);
    const kept = await step(existing?.object());
    return { entry: new EphemeralEntry(codec, key, (kept ?? removed)!), deleted: removed !== undefined };
  }
  const entry = await storage.guaranteedUpdate(key, step, context.signal ? { signal: context.signal } : {});
  if (!entry) throw apiErrors.notFound(info, name);
  return removed
    ? { entry: withRevision(codec, key, removed, entry.revision), deleted: true }
    : { entry, deleted: false };
}

/** The state at the end with its grace period, as the client is told it; the store's last entry lacks that. */
function withRevision(codec: Resource['codec'], key: string, object: KubeObject, revision: number): StoredObject {
  object.metadata.resourceVersion = String(revision);
  orderMetadata(object);
  return new EphemeralEntry(codec, key, object);
}

export async function admitDeletion(
  resource: Resource,
  context: WriteContext,
  namespace: string,
  name: string,
  current: KubeObject,
  options: DeleteOptions,
): Promise<void> {
  const attributes = {
    operation: 'DELETE' as const,
    resource: resource.info,
    subresource: '',
    namespace: resource.info.resource === 'namespaces' ? name : namespace,
    name,
    object: undefined,
    oldObject: current,
    options: { kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/v1', ...options },
    dryRun: context.dryRun,
    user: context.user,
    addWarning: context.addWarning,
  };
  await resource.options.admission.admit(attributes);
  await resource.options.admission.validate(attributes);
}

export function checkPreconditions(
  resource: Resource,
  name: string,
  current: KubeObject,
  { preconditions }: DeleteOptions,
): void {
  // Upstream names the kind here, not the resource.
  const gr = { group: resource.info.group, resource: resource.info.kind };
  const { uid, resourceVersion } = current.metadata;
  if (preconditions?.uid !== undefined && preconditions.uid !== uid) {
    throw apiErrors.conflict(
      gr,
      name,
      `the UID in the precondition (${preconditions.uid}) does not match the UID in record (${uid}). ` +
        'The object might have been deleted and then recreated',
    );
  }
  if (preconditions?.resourceVersion !== undefined && preconditions.resourceVersion !== resourceVersion) {
    throw apiErrors.conflict(
      gr,
      name,
      `the ResourceVersion in the precondition (${preconditions.resourceVersion}) does not match the ResourceVersion ` +
        `in record (${resourceVersion}). The object might have been modified`,
    );
  }
}

/** What the deletion does to the object now. In place. */
function nextStep(strategy: Strategy, object: KubeObject, options: DeleteOptions, nowMs: number): 'keep' | 'remove' {
  const metadata = object.metadata;
  if (strategy.gracePeriodSeconds) {
    if (metadata.deletionTimestamp !== undefined && metadata.deletionGracePeriodSeconds !== undefined) {
      if (!shortenGrace(object, options.gracePeriodSeconds)) return 'keep';
      return metadata.deletionGracePeriodSeconds > 0 || (metadata.finalizers?.length ?? 0) > 0 ? 'keep' : 'remove';
    }
    const requested = options.gracePeriodSeconds;
    const seconds = strategy.gracePeriodSeconds(object, requested !== undefined && requested < 0 ? 1 : requested);
    setPropagationFinalizers(strategy, metadata, options);
    markDeleting(metadata, nowMs + seconds * 1000, seconds);
    return seconds > 0 || (metadata.finalizers?.length ?? 0) > 0 ? 'keep' : 'remove';
  }
  setPropagationFinalizers(strategy, metadata, options);
  if ((metadata.finalizers?.length ?? 0) === 0) return 'remove';
  if (metadata.deletionTimestamp === undefined) markDeleting(metadata, nowMs, 0);
  return 'keep';
}

function markDeleting(metadata: KubeObject['metadata'], atMs: number, graceSeconds: number): void {
  if (metadata.deletionTimestamp === undefined && metadata.generation !== undefined && metadata.generation > 0) {
    metadata.generation++;
  }
  metadata.deletionTimestamp = formatTime(atMs);
  metadata.deletionGracePeriodSeconds = graceSeconds;
}

/** A second deletion may only be quicker than the first. False: it changes nothing. */
function shortenGrace(object: KubeObject, requested: number | undefined): boolean {
  const metadata = object.metadata;
  const before = metadata.deletionGracePeriodSeconds!;
  const wanted = requested !== undefined && requested < 0 ? 1 : requested;
  if (wanted === undefined || wanted >= before) return before === 0 && (metadata.finalizers?.length ?? 0) === 0;
  const at = parseTime(metadata.deletionTimestamp!)! - (before - wanted) * 1000;
  metadata.deletionTimestamp = formatTime(at);
  metadata.deletionGracePeriodSeconds = wanted;
  return true;
}

/** The garbage collector's orders, left on the object as finalizers. */
export function setPropagationFinalizers(
  strategy: Strategy,
  metadata: KubeObject['metadata'],
  options: DeleteOptions,
): void {
  const before = metadata.finalizers ?? [];
  const policy = propagationOf(strategy, before, options);
  const rest = before.filter((f) => f !== orphanFinalizer && f !== foregroundFinalizer);
  if (policy === 'Orphan') rest.push(orphanFinalizer);
  if (policy === 'Foreground') rest.push(foregroundFinalizer);
  if (rest.length > 0) metadata.finalizers = rest;
  else delete metadata.finalizers;
}

function propagationOf(strategy: Strategy, finalizers: readonly string[], options: DeleteOptions): string {
  if (options.propagationPolicy !== undefined) return options.propagationPolicy;
  if (options.orphanDependents !== undefined) return options.orphanDependents ? 'Orphan' : 'Background';
  if (finalizers.includes(orphanFinalizer)) return 'Orphan';
  if (finalizers.includes(foregroundFinalizer)) return 'Foreground';
  return strategy.defaultPropagation === 'orphan' ? 'Orphan' : 'Background';
}
