import { fieldError } from '#apimachinery/field-error.ts';
import { cloneJson } from '#apimachinery/json-value.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from '#apimachinery/meta-validation.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { apiErrors } from '#apimachinery/status-error.ts';
import type { StoredObject } from '#storage/storage.ts';
import { canonical } from './canonical.ts';
import { prepareNew, ttlOf, writeOptions } from './create.ts';
import { EphemeralEntry } from './ephemeral-entry.ts';
import { keepTimesOfNoChange, recordManager } from './managed-fields.ts';
import { bumpGeneration, fillSystemFields, keepSystemFields, orderMetadata } from './object-meta.ts';
import { dedupOwnerReferences } from './owner-references.ts';
import type { ResourceRegistry, UpdateOptions, WriteContext } from './registry.ts';
import type { Resource } from './resource-registry.ts';
import { mergeSubresource, validateSubresource } from './subresource-strategy.ts';

/** Upstream's OptimisticLockErrorMsg. */
export const modifiedMeanwhile =
  'the object has been modified; please apply your changes to the latest version and try again';

type Change = (current: KubeObject | undefined) => Promise<KubeObject> | KubeObject;

/**
 * Runs `change` on the current state, and again when someone was faster. An update that takes the last finalizer from an
 * object that is being deleted deletes it, and answers with the object as it would have been.
 */
export async function updateObject(
  resource: Resource,
  context: WriteContext,
  namespace: string,
  name: string,
  subresource: string,
  change: Change,
  options: UpdateOptions,
): Promise<{ entry: StoredObject; created: boolean }> {
  const { info, storage, codec } = resource;
  const key = resource.key(namespace, name);
  let created = false;
  let ended: KubeObject | undefined;
  let ttlSeconds: number | undefined;

  const tryUpdate = async (current: KubeObject | undefined, revision: number): Promise<KubeObject | undefined> => {
    ended = undefined;
    created = current === undefined;
    if (!current) return createByUpdate(resource, context, namespace, name, subresource, change, options);
    if (current.metadata.resourceVersion === undefined && revision > 0) {
      current.metadata.resourceVersion = String(revision);
    }
    const wanted = await updated(resource, context, namespace, name, subresource, change, options, current);
    ttlSeconds = ttlOf(resource, wanted);
    if (isOver(wanted)) {
      ended = wanted;
      return undefined;
    }
    return wanted;
  };

  if (context.dryRun) {
    const existing = await storage.get(key);
    const wanted = await tryUpdate(existing?.object(), existing?.revision ?? 0);
    return { entry: new EphemeralEntry(codec, key, (wanted ?? ended)!), created };
  }
  const writeOptionsOfStore = context.signal ? { signal: context.signal } : {};
  const entry = await storage.guaranteedUpdate(key, tryUpdate, {
    ...writeOptionsOfStore,
    ...(ttlSeconds ? { ttlSeconds } : {}),
  });
  if (ended) return { entry: new EphemeralEntry(codec, key, ended), created: false };
  if (!entry) throw apiErrors.notFound(info, name);
  return { entry, created };
}

async function createByUpdate(
  resource: Resource,
  context: WriteContext,
  namespace: string,
  name: string,
  subresource: string,
  change: Change,
  options: UpdateOptions,
): Promise<KubeObject> {
  const { info, strategy } = resource;
  if (subresource !== '' || !(strategy.allowCreateOnUpdate || options.isApply)) {
    throw apiErrors.notFound(info, name);
  }
  const object = await change(undefined);
  if (options.isApply) delete object.metadata.resourceVersion;
  else if (object.metadata.resourceVersion) throw apiErrors.notFound(info, name);
  if (object.metadata.uid) {
    throw apiErrors.conflict(info, name, uidPrecondition(resource.key(namespace, name), object.metadata.uid, ''));
  }
  if (info.namespaced) object.metadata.namespace = namespace;
  const owners = object.metadata.managedFields;
  fillSystemFields(object, resource.options.clock.now());
  const attributes = {
    operation: 'CREATE' as const,
    resource: info,
    subresource: '',
    namespace,
    name,
    object,
    oldObject: undefined,
    options: writeOptions('CreateOptions', context),
    dryRun: context.dryRun,
    user: context.user,
    addWarning: context.addWarning,
  };
  dedupOwnerReferences(object, context.addWarning);
  if (!options.isApply) recordManager(resource, context, '', object, undefined);
  else if (owners) object.metadata.managedFields = owners;
  await resource.options.admission.admit(attributes);
  prepareNew(resource, context, object);
  const made = canonical(resource, object);
  await resource.options.admission.validate({ ...attributes, object: made });
  orderMetadata(made);
  return made;
}

async function updated(
  resource: Resource,
  context: WriteContext,
  namespace: string,
  name: string,
  subresource: string,
  change: Change,
  options: UpdateOptions,
  old: KubeObject,
): Promise<KubeObject> {
  const { info, strategy } = resource;
  let object = await change(cloneJson(old));
  if (info.namespaced) object.metadata.namespace = namespace;
  dedupOwnerReferences(object, context.addWarning);
  if (subresource !== 'binding' && !options.isApply) recordManager(resource, context, subresource, object, old);
  const attributes = {
    operation: 'UPDATE' as const,
    resource: info,
    subresource,
    namespace: info.resource === 'namespaces' ? name : namespace,
    name,
    object,
    oldObject: old,
    options: writeOptions('UpdateOptions', context),
    dryRun: context.dryRun,
    user: context.user,
    addWarning: context.addWarning,
  };
  await resource.options.admission.admit(attributes);
  checkResourceVersion(resource, name, object, old);

  keepSystemFields(object, old);
  object = mergeSubresource(strategy, subresource, object, old);
  if (subresource === '') strategy.prepareForUpdate?.(object, old);
  if (subresource === 'status' || subresource === 'approval') {
    strategy.prepareForStatusUpdate?.(object, old, resource.options.clock.now());
  }
  object = canonical(resource, object);
  attributes.object = object;
  if (subresource !== 'status' && subresource !== 'binding') bumpGeneration(object, old, strategy);

  object.metadata.resourceVersion = old.metadata.resourceVersion!;
  // The registry checks metadata, and so does each kind's own validation: upstream lists what is wrong twice.
  const metaErrors = [
    ...validateObjectMeta(object.metadata, {
      namespaced: info.namespaced,
      nameRule: 'path-segment',
      qualifiedFinalizers: true,
    }),
    ...validateObjectMetaUpdate(object.metadata, old.metadata),
  ];
  const errors = [...metaErrors, ...metaErrors, ...validateSubresource(strategy, subresource, object, old)];
  if (errors.length > 0) throw apiErrors.invalid({ group: info.storage!.group, kind: info.kind }, name, errors);
  if (subresource === '') for (const text of strategy.warnings?.(object, old) ?? []) context.addWarning(text);
  await resource.options.admission.validate(attributes);
  orderMetadata(object);
  keepTimesOfNoChange(object, old);
  return object;
}

/** For a whole object that was sent: the uid in it, if any, is that of the object it replaces. */
export function checkUid(resource: ResourceRegistry, object: KubeObject, old: KubeObject | undefined): void {
  const uid = object.metadata.uid;
  if (!uid || !old || uid === old.metadata.uid) return;
  const { namespace = '', name = '' } = old.metadata;
  const why = uidPrecondition(resource.key(namespace, name), uid, old.metadata.uid ?? '');
  throw apiErrors.conflict(resource.info, name, why);
}

/** As upstream's storage says it. */
function uidPrecondition(key: string, wanted: string, found: string): string {
  const failed = `Precondition failed: UID in precondition: ${wanted}, UID in object meta: ${found}`;
  return `StorageError: invalid object, Code: 4, Key: ${key}, ResourceVersion: 0, AdditionalErrorMsg: ${failed}`;
}

function checkResourceVersion(resource: Resource, name: string, object: KubeObject, old: KubeObject): void {
  const { info, strategy } = resource;
  const wanted = object.metadata.resourceVersion;
  if (wanted === undefined || wanted === '') {
    if (strategy.allowUnconditionalUpdate !== false) return;
    throw apiErrors.invalid({ group: info.storage!.group, kind: info.kind }, name, [
      fieldError.invalid('metadata.resourceVersion', 0, 'must be specified for an update'),
    ]);
  }
  if (wanted !== old.metadata.resourceVersion) throw apiErrors.conflict(info, name, modifiedMeanwhile);
}

/** Deleted, and nothing holds it any longer. */
function isOver(object: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = object.metadata;
  return (
    deletionTimestamp !== undefined &&
    !deletionGracePeriodSeconds &&
    (finalizers === undefined || finalizers.length === 0) &&
    // A namespace is held by its spec as well, until its content is gone.
    !(object['spec']?.finalizers?.length > 0 && object.kind === 'Namespace')
  );
}
