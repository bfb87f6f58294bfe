/**
 * metadata.managedFields through the registry: what an update or patch changed, what a configuration applies. The rules are
 * the field manager's (apimachinery/managed-fields); here it learns of our kinds, versions and subresources.
 */
import { deepEqual } from '#apimachinery/deep-equal.ts';
import { formatGroupVersion, parseGroupVersion } from '#apimachinery/group-version.ts';
import { cloneJson } from '#apimachinery/json-value.ts';
import { conflictError } from '#apimachinery/managed-fields/conflict-error.ts';
import {
  type Applied,
  ApplyConflicts,
  apply,
  update,
  type VersionedKind,
} from '#apimachinery/managed-fields/field-manager.ts';
import { difference, isFieldSet } from '#apimachinery/managed-fields/field-set.ts';
import { kubectl, lastAppliedPaths, updateLastApplied } from '#apimachinery/managed-fields/last-applied.ts';
import {
  capUpdateManagers,
  decodeManagers,
  encodeManagers,
  type Managers,
} from '#apimachinery/managed-fields/managers.ts';
import { structuresOf, untyped } from '#apimachinery/managed-fields/structure.ts';
import type { KubeObject, ManagedFieldsEntry } from '#apimachinery/object.ts';
import { decodeObject } from '#apimachinery/schema/decode.ts';
import { formatTime } from '#apimachinery/time.ts';
import type { ResourceInfo } from '#apis/kind.ts';
import type { Scheme } from '#apis/scheme.ts';
import { fromStorageVersion, toStorageVersion } from './conversion.ts';
import type { WriteContext } from './registry.ts';
import { resetFieldsOf } from './reset-fields.ts';
import type { Resource } from './resource-registry.ts';

/** Owner of all that was there before the first apply, of an object whose owners nobody noted. */
const beforeFirstApply = 'before-first-apply';

/** In place. `old` is undefined for a new object; `object` is what was asked for, defaulted, before strategies see it. */
export function recordManager(
  resource: Resource,
  context: WriteContext,
  subresource: string,
  object: KubeObject,
  old: KubeObject | undefined,
): void {
  const { scheme, clock } = resource.options;
  const info = context.served ?? storedVersion(resource.info);
  const managers = managersOf(object, old, subresource);
  const isTracked = managers.size > 0 || old === undefined;
  delete object.metadata.managedFields;
  if (!isTracked) return;
  const kind = versionedKind(scheme, info, subresource);
  const apiVersion = formatGroupVersion(info);
  const inVersion = (o: KubeObject) => (o.apiVersion === apiVersion ? o : kind.convert(o, apiVersion));
  const before = old ? inVersion(withoutManagedFields(old)) : nothing(scheme, info);
  const writer = { name: context.fieldManager, subresource, apiVersion, time: formatTime(clock.now()) };
  update(kind, writer, managers, before, inVersion(object));
  capUpdateManagers(managers);
  setManagers(object, managers);
}

/** In place: of an object that is only answered, a review or a token, all belongs to whoever sent it. */
export function recordSender(subject: Subject, fieldManager: string, object: KubeObject): void {
  const { scheme, info, subresource, nowMs } = subject;
  const writer = { name: fieldManager, subresource, apiVersion: formatGroupVersion(info), time: formatTime(nowMs) };
  const managers: Managers = new Map();
  update(versionedKind(scheme, info, subresource), writer, managers, nothing(scheme, info), object);
  setManagers(object, managers);
}

/** What is written. */
export interface Subject {
  scheme: Scheme;
  /** In the version of the request, as the objects are. */
  info: VersionedResource;
  subresource: string;
  nowMs: number;
}

type VersionedResource = Pick<ResourceInfo, 'group' | 'version' | 'kind' | 'resource'>;

export interface Apply extends Subject {
  fieldManager: string;
  force: boolean;
}

/** The live object with the configuration applied, owners noted; not decoded yet. Throws the conflicts, 409. */
export function applyConfiguration(
  request: Apply,
  live: KubeObject | undefined,
  configuration: KubeObject,
): KubeObject {
  const { scheme, info, subresource, fieldManager: name, force } = request;
  const kind = versionedKind(scheme, info, subresource);
  const writer = { name, subresource, apiVersion: formatGroupVersion(info), time: formatTime(request.nowMs) };
  const current = live ? withoutManagedFields(live) : emptyObject(scheme, info);
  const managers = decodeManagers(live?.metadata.managedFields) ?? new Map();
  if (managers.size === 0) {
    update(kind, { ...writer, name: beforeFirstApply }, managers, nothing(scheme, info), current);
  }
  const applied = applyAsOwner(kind, writer, managers, current, configuration, force);
  const object: KubeObject = { ...(applied.object ?? current) };
  object.metadata = { ...object.metadata };
  if (name === kubectl) updateLastApplied(object, configuration);
  setManagers(object, applied.managers);
  return object;
}

/** With the conflicts forgiven that only its own client-side apply makes. */
function applyAsOwner(
  kind: VersionedKind,
  writer: Parameters<typeof apply>[1],
  managers: Managers,
  live: KubeObject,
  configuration: KubeObject,
  force: boolean,
): Applied {
  try {
    return apply(kind, writer, managers, live, configuration, force);
  } catch (error) {
    if (!(error instanceof ApplyConflicts)) throw error;
    const own = writer.name === kubectl ? lastAppliedPaths(kind, live) : undefined;
    const conflicts = error.conflicts.flatMap(({ manager, set }) => {
      const rest = difference(set, own);
      return rest ? [{ manager, set: rest }] : [];
    });
    if (conflicts.length > 0) throw conflictError(conflicts);
    return apply(kind, writer, managers, live, configuration, true);
  }
}

/** In place: a write that would only move the times of owners changes nothing. */
export function keepTimesOfNoChange(object: KubeObject, old: KubeObject): void {
  const [now, before] = [object.metadata.managedFields, old.metadata.managedFields];
  if (!now || !before || now === before || now.length !== before.length) return;
  if (!now.every((entry, i) => isSameButForTime(entry, before[i]!))) return;
  if (deepEqual(withoutManagedFields(object), withoutManagedFields(old))) object.metadata.managedFields = before;
}

function isSameButForTime(a: ManagedFieldsEntry, b: ManagedFieldsEntry): boolean {
  const { time: _a, ...restA } = a;
  const { time: _b, ...restB } = b;
  return deepEqual(restA, restB);
}

/**
 * As the client sent them, so that owners can be edited; `[{}]` forgets them all. A client that sends none, or what no
 * server would have written, knows nothing of them, and a subresource has no say.
 */
function managersOf(object: KubeObject, old: KubeObject | undefined, subresource: string): Managers {
  const sent = object.metadata.managedFields;
  if (subresource === '' && old && sent && sent !== old.metadata.managedFields) {
    if (sent.length === 1 && Object.keys(sent[0] ?? {}).length === 0) return new Map();
    const managers = sent.every((entry) => isFieldSet(entry?.fieldsV1 ?? {})) ? decodeManagers(sent) : undefined;
    if (managers && managers.size > 0) return managers;
  }
  return decodeManagers(old?.metadata.managedFields) ?? new Map();
}

function setManagers(object: KubeObject, managers: Managers): void {
  const entries = encodeManagers(managers);
  if (entries) object.metadata.managedFields = entries;
  else delete object.metadata.managedFields;
}

function withoutManagedFields(object: KubeObject): KubeObject {
  const { managedFields: _owners, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** What a new object is compared with. Shared: nobody changes it. */
function nothing(scheme: Scheme, gvk: { group: string; version: string; kind: string }): KubeObject {
  let known = nothings.get(scheme);
  if (!known) {
    known = new Map();
    nothings.set(scheme, known);
  }
  const key = `${gvk.group}/${gvk.version}/${gvk.kind}`;
  let object = known.get(key);
  if (!object) {
    object = emptyObject(scheme, gvk);
    known.set(key, object);
  }
  return object;
}
const nothings = new WeakMap<Scheme, Map<string, KubeObject>>();

function emptyObject(scheme: Scheme, gvk: { group: string; version: string; kind: string }): KubeObject {
  const schema = scheme.schemaName(gvk);
  const head = { kind: gvk.kind, apiVersion: formatGroupVersion(gvk) };
  if (schema === undefined) return { ...head, metadata: {} };
  const { object } = decodeObject(scheme.schemas, schema, head);
  return { ...object, metadata: object.metadata ?? {} };
}

function storedVersion(info: ResourceInfo): VersionedResource {
  return info.storage ? { ...info.storage, resource: info.resource } : info;
}

function versionedKind(scheme: Scheme, info: VersionedResource, subresource: string): VersionedKind {
  const structures = structuresOf(scheme.schemas);
  const versionOf = (apiVersion: string): ResourceInfo | undefined => {
    const { group, version } = parseGroupVersion(apiVersion);
    return scheme.resource(group, version, info.resource);
  };
  const own = formatGroupVersion(info);
  return {
    structures,
    resetFields: resetFieldsOf(scheme, info, subresource),
    typeOf(apiVersion) {
      const version = apiVersion === own ? info : versionOf(apiVersion);
      if (version === undefined) return undefined;
      const schema = scheme.schemaName(version);
      return schema === undefined ? untyped : structures.root(schema);
    },
    convert(object, apiVersion) {
      const stored = toStorageVersion(scheme, versionOf(object.apiVersion)!, cloneJson(object));
      return fromStorageVersion(scheme, versionOf(apiVersion)!, stored);
    },
  };
}
