/**
 * Who set which field: metadata.managedFields for create and update (upstream's "Update" operation). A manager owns what
 * its write added or changed, and loses it to whoever changes it next. Apply's conflicts are not computed from this yet.
 */
import { deepEqual } from '#apimachinery/deep-equal.ts';
import { formatGroupVersion } from '#apimachinery/group-version.ts';
import type { KubeObject, ManagedFieldsEntry } from '#apimachinery/object.ts';
import { decodeObject } from '#apimachinery/schema/decode.ts';
import type { SchemaSet, SchemaType } from '#apimachinery/schema/schema.ts';
import { formatTime } from '#apimachinery/time.ts';
import { type Fields, membersOf, prune, subtract, union } from './field-sets.ts';
import type { WriteContext } from './registry.ts';
import type { Resource } from './resource-registry.ts';

/** In place. `old` is undefined for a new object; `object` is what was asked for, defaulted, before strategies see it. */
export function recordManager(
  resource: Resource,
  context: WriteContext,
  subresource: string,
  object: KubeObject,
  old: KubeObject | undefined,
): void {
  const { scheme, clock } = resource.options;
  const storage = resource.info.storage!;
  const schema = scheme.schemaName(storage);
  if (schema === undefined) return;
  const type: SchemaType = { ref: schema };
  const before = old ?? (decodeObject(scheme.schemas, schema, {}).object as KubeObject);
  const changed = owned(changedFields(scheme.schemas, before, object, type), resource, subresource);
  const apiVersion = formatGroupVersion(storage);
  const entries: ManagedFieldsEntry[] = [];
  let isKnown = false;
  for (const entry of old?.metadata.managedFields ?? []) {
    const isOwn =
      entry.operation === 'Update' &&
      entry.manager === context.fieldManager &&
      (entry.subresource ?? '') === subresource &&
      entry.apiVersion === apiVersion;
    const had = (entry.fieldsV1 ?? {}) as Fields;
    isKnown ||= isOwn;
    const kept = isOwn ? union(had, changed) : subtract(had, changed);
    const fieldsV1 = kept && prune(scheme.schemas, kept, object, type);
    if (!fieldsV1) continue;
    const isSame = deepEqual(fieldsV1, had);
    const time = isSame || !isOwn ? entry.time! : formatTime(clock.now());
    entries.push(isSame ? entry : { ...entry, time, fieldsV1 });
  }
  if (!isKnown && changed) {
    entries.push({
      manager: context.fieldManager,
      operation: 'Update',
      apiVersion,
      time: formatTime(clock.now()),
      fieldsType: 'FieldsV1',
      fieldsV1: changed,
      ...(subresource === '' ? {} : { subresource }),
    });
  }
  if (entries.length > 0) object.metadata.managedFields = entries;
  else delete object.metadata.managedFields;
}

/** What is new or different; undefined: nothing. */
function changedFields(schemas: SchemaSet, old: unknown, now: unknown, type: SchemaType): Fields | undefined {
  if (now === undefined || now === null) return undefined;
  const members = membersOf(schemas, now, type);
  if (!members) return deepEqual(old, now) ? undefined : {};
  // A null that is always printed was there before.
  const isNew = old === undefined;
  if (members.size === 0) return isNew ? {} : undefined;
  const before = membersOf(schemas, old, type);
  const fields: Fields = isNew ? { '.': {} } : {};
  for (const [key, member] of members) {
    const child = changedFields(schemas, before?.get(key)?.value, member.value, member.type);
    if (child) fields[key] = child;
  }
  return Object.keys(fields).length > 0 ? fields : undefined;
}

/** Metadata that only the server sets belongs to nobody; nor does what the (sub)resource does not take. */
const unowned = [
  'name',
  'namespace',
  'uid',
  'creationTimestamp',
  'generation',
  'resourceVersion',
  'selfLink',
  'managedFields',
];
const serverOwned = ['deletionTimestamp', 'deletionGracePeriodSeconds'];

function owned(fields: Fields | undefined, resource: Resource, subresource: string): Fields | undefined {
  if (!fields) return undefined;
  const { 'f:kind': _kind, 'f:apiVersion': _apiVersion, 'f:metadata': metadata, ...rest } = fields;
  delete rest['.'];
  const isStatus = subresource === 'status' || subresource === 'approval';
  if (isStatus) delete rest['f:spec'];
  else if (resource.strategy.hasStatus) delete rest['f:status'];
  const kept: Fields = { ...metadata };
  for (const field of [...unowned, ...serverOwned]) delete kept[`f:${field}`];
  delete kept['.'];
  if (Object.keys(kept).length > 0) rest['f:metadata'] = kept;
  return Object.keys(rest).length > 0 ? (rest as Fields) : undefined;
}
