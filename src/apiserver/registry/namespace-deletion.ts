import type { KubeObject } from '#apimachinery/object.ts';
import { apiErrors } from '#apimachinery/status-error.ts';
import { formatTime } from '#apimachinery/time.ts';
import type { StoredObject } from '#storage/storage.ts';
import { admitDeletion, checkPreconditions } from './delete.ts';
import { EphemeralEntry } from './ephemeral-entry.ts';
import { orderMetadata } from './object-meta.ts';
import type { DeleteOptions, WriteContext } from './registry.ts';
import type { Resource } from './resource-registry.ts';

/**
 * A namespace is only marked: it stays, Terminating, until the namespace controller has emptied it and taken itself out of
 * `spec.finalizers`. The update that does so removes it.
 */
export async function deleteNamespace(
  resource: Resource,
  context: WriteContext,
  namespace: string,
  name: string,
  options: DeleteOptions,
): Promise<{ entry: StoredObject; deleted: boolean }> {
  const { info, storage, codec } = resource;
  const key = resource.key('', name);
  let removed = false;
  const step = async (current: KubeObject | undefined): Promise<KubeObject | undefined> => {
    if (!current) throw apiErrors.notFound(info, name);
    await admitDeletion(resource, context, namespace, name, current, options);
    checkPreconditions(resource, name, current, options);
    if (current.metadata.deletionTimestamp === undefined) {
      current.metadata.deletionTimestamp = formatTime(resource.options.clock.now());
      current['status'] = { ...current['status'], phase: 'Terminating' };
      orderMetadata(current);
    }
    const isHeld = (current['spec']?.finalizers?.length ?? 0) > 0 || (current.metadata.finalizers?.length ?? 0) > 0;
    removed = !isHeld;
    return isHeld ? current : undefined;
  };
  if (context.dryRun) {
    const existing = await storage.get(key);
    const current = existing?.object();
    const kept = await step(current);
    return { entry: new EphemeralEntry(codec, key, (kept ?? current)!), deleted: removed };
  }
  const entry = await storage.guaranteedUpdate(key, step, context.signal ? { signal: context.signal } : {});
  if (!entry) throw apiErrors.notFound(info, name);
  return { entry, deleted: removed };
}
