import { cloneJson } from '#apimachinery/json-value.ts';
import { validateObjectMeta } from '#apimachinery/meta-validation.ts';
import { generateName } from '#apimachinery/names.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { apiErrors, isStatusError, StatusError } from '#apimachinery/status-error.ts';
import type { StoredObject } from '#storage/storage.ts';
import { canonical } from './canonical.ts';
import { EphemeralEntry } from './ephemeral-entry.ts';
import { recordManager } from './managed-fields.ts';
import { fillSystemFields, orderMetadata } from './object-meta.ts';
import { dedupOwnerReferences } from './owner-references.ts';
import type { WriteContext } from './registry.ts';
import type { Resource } from './resource-registry.ts';

/** A generated name that is taken is generated anew, so often. */
const generateNameAttemptsMax = 8;

/** Metadata → admission → strategy → validation → storage. Throws what the client should read. */
export async function createObject(
  resource: Resource,
  context: WriteContext,
  namespace: string,
  object: KubeObject,
): Promise<StoredObject> {
  const base = object.metadata.generateName;
  const isGenerated = !object.metadata.name && base !== undefined && base !== '';
  for (let attempt = 1; ; attempt++) {
    const candidate = isGenerated ? cloneJson(object) : object;
    if (isGenerated) candidate.metadata.name = generateName(base, resource.options.random);
    try {
      return await createOnce(resource, context, namespace, candidate);
    } catch (error) {
      if (!isGenerated || attempt === generateNameAttemptsMax || !isStatusError(error, 'AlreadyExists')) throw error;
    }
  }
}

async function createOnce(
  resource: Resource,
  context: WriteContext,
  namespace: string,
  object: KubeObject,
): Promise<StoredObject> {
  const { info, storage, codec } = resource;
  const { admission } = resource.options;
  if (info.namespaced) object.metadata.namespace = namespace;
  fillSystemFields(object, resource.options.clock.now());
  const attributes = {
    operation: 'CREATE' as const,
    resource: info,
    subresource: '',
    namespace: info.resource === 'namespaces' ? (object.metadata.name ?? '') : namespace,
    name: object.metadata.name ?? '',
    object,
    oldObject: undefined,
    options: writeOptions('CreateOptions', context),
    dryRun: context.dryRun,
    user: context.user,
    addWarning: context.addWarning,
  };
  dedupOwnerReferences(object, context.addWarning);
  recordManager(resource, context, '', object, undefined);
  await admission.admit(attributes);
  prepareNew(resource, context, object);
  const made = canonical(resource, object);
  await admission.validate({ ...attributes, object: made });

  const name = object.metadata.name!;
  const key = resource.key(namespace, name);
  if (object.metadata.resourceVersion) {
    throw new StatusError({ code: 500, message: 'resourceVersion should not be set on objects to be created' });
  }
  orderMetadata(made);
  if (context.dryRun) {
    const existing = await storage.get(key);
    if (existing) throw alreadyExists(resource, name, existing);
    return new EphemeralEntry(codec, key, made);
  }
  const ttlSeconds = ttlOf(resource, made);
  const entry = await storage.create(key, made, {
    ...(ttlSeconds ? { ttlSeconds } : {}),
    ...(context.signal ? { signal: context.signal } : {}),
  });
  if (entry) return entry;
  throw alreadyExists(resource, name, await storage.get(key));
}

/** What the strategy makes of a new object, and whether it is valid. In place; also for an update that creates. */
export function prepareNew(resource: Resource, context: WriteContext, object: KubeObject): void {
  const { info, strategy } = resource;
  if (strategy.hasStatus && !strategy.keepsStatusAtCreation) delete object['status'];
  if (strategy.hasGeneration) object.metadata.generation = 1;
  strategy.prepareForCreate?.(object, context.user);
  const errors = [
    ...validateObjectMeta(object.metadata, {
      namespaced: info.namespaced,
      nameRule: strategy.nameRule ?? 'dns-subdomain',
      qualifiedFinalizers: true,
    }),
    ...(strategy.validate?.(object) ?? []),
  ];
  if (errors.length > 0) {
    throw apiErrors.invalid({ group: info.storage!.group, kind: info.kind }, object.metadata.name ?? '', errors);
  }
  for (const text of strategy.warnings?.(object) ?? []) context.addWarning(text);
}

export function ttlOf(resource: Resource, object: KubeObject): number | undefined {
  const seconds = resource.strategy.ttlSeconds?.(object);
  return seconds === undefined ? undefined : (resource.options.eventTtlSeconds ?? seconds);
}

/** The options object that admission sees. */
export function writeOptions(kind: string, context: WriteContext): Record<string, unknown> {
  return {
    kind,
    apiVersion: 'meta.k8s.io/v1',
    ...(context.dryRun ? { dryRun: ['All'] } : {}),
    ...(context.fieldManager === '' ? {} : { fieldManager: context.fieldManager }),
  };
}

function alreadyExists(resource: Resource, name: string, existing: StoredObject | undefined): StatusError {
  const error = apiErrors.alreadyExists(resource.info, name);
  if (existing?.object().metadata.deletionTimestamp !== undefined) {
    return new StatusError({ ...error.status, message: `object is being deleted: ${error.message}` });
  }
  return error;
}
