/**
 * Who owns which field of an object, through every write: KEP-555, upstream's structured-merge-diff and managedfields.
 * `update` notes what a create, update or patch changed; `apply` merges a configuration, which is all that its manager
 * wants: what it no longer names and nobody else owns goes away, and what another manager has set differently is a conflict.
 * Objects are those of one version; owners may speak others, so both states are converted for them.
 */
import type { KubeObject } from '../object.ts';
import type { SchemaType } from '../schema/schema.ts';
import { type Comparison, compare, excluding } from './compare.ts';
import { difference, type FieldSet, intersection, pathSet, recursiveDifference, union } from './field-set.ts';
import { type Manager, type Managers, managerId, takeFrom } from './managers.ts';
import { merge, without } from './merge.ts';
import { ownedPaths, withStructs } from './owned-paths.ts';
import type { Structures } from './structure.ts';

/** What the field manager must know of a kind. */
export interface VersionedKind {
  structures: Structures;
  /** Undefined: no such version, or not any more. */
  typeOf(apiVersion: string): SchemaType | undefined;
  /** A copy in another version that `typeOf` knows. */
  convert(object: KubeObject, apiVersion: string): KubeObject;
  /** What a write at this (sub)resource cannot change, so nobody comes to own by it. */
  resetFields: FieldSet | undefined;
}

/** Who writes. */
export interface Writer {
  name: string;
  subresource: string;
  /** Of the objects handed in. */
  apiVersion: string;
  /** RFC 3339. */
  time: string;
}

/** What belongs to the server, never to a manager. */
const serverFields = [
  ['f:apiVersion'],
  ['f:kind'],
  ['f:metadata'],
  ...['name', 'namespace', 'creationTimestamp', 'selfLink', 'uid', 'clusterName', 'generation'].map(metadataField),
  ...['managedFields', 'resourceVersion'].map(metadataField),
].reduce<FieldSet | undefined>((set, path) => union(set, pathSet(...path)), undefined);

function metadataField(name: string): string[] {
  return ['f:metadata', `f:${name}`];
}

/** In place: the owners after `old` became `now`. Neither has managedFields. */
export function update(
  kind: VersionedKind,
  writer: Writer,
  managers: Managers,
  old: KubeObject,
  now: KubeObject,
): void {
  const changes = compareVersion(kind, writer.apiVersion, old, now);
  if (changes === undefined && speaksOne(managers, writer.apiVersion)) return;
  const comparisons = createComparisons(kind, writer.apiVersion, old, now, changes);
  for (const [id, manager] of managers) {
    const comparison = comparisons(manager.apiVersion);
    if (comparison === 'no version') managers.delete(id);
    else if (comparison) loseChanged(managers, id, manager, comparison);
  }
  if (changes === undefined) return;
  const taken = difference(union(changes.modified, changes.added), serverFields);
  if (taken === undefined) return;
  const { name, subresource, apiVersion, time } = writer;
  const self: Manager = { name, subresource, apiVersion, time, operation: 'Update', set: taken, entry: undefined };
  const id = managerId(self);
  const before = managers.get(id);
  managers.set(id, before ? { ...before, time, set: union(before.set, taken) } : self);
}

export interface Applied {
  /** Undefined: the object stays as it is. */
  object: KubeObject | undefined;
  managers: Managers;
}

/** What another manager has set to other values. */
export interface Conflict {
  manager: Manager;
  set: FieldSet;
}

export class ApplyConflicts extends Error {
  readonly conflicts: readonly Conflict[];
  constructor(conflicts: readonly Conflict[]) {
    super('the applied configuration conflicts with other managers');
    this.conflicts = conflicts;
  }
}

/**
 * Neither the objects nor `managers` are changed. `configuration` has passed `findMisfit`.
 * Throws ApplyConflicts unless `force`, which takes the fields.
 */
export function apply(
  kind: VersionedKind,
  writer: Writer,
  managers: Managers,
  live: KubeObject,
  configuration: KubeObject,
  force: boolean,
): Applied {
  const { structures } = kind;
  const type = kind.typeOf(writer.apiVersion)!;
  const { name, subresource, apiVersion } = writer;
  const wanted = recursiveDifference(ownedPaths(structures, type, configuration), kind.resetFields);
  const self: Manager = {
    name,
    subresource,
    apiVersion,
    operation: 'Apply',
    time: undefined,
    set: wanted,
    entry: undefined,
  };
  const id = managerId(self);
  const last = managers.get(id);
  const after: Managers = new Map(managers).set(id, { ...self, time: last?.time, entry: last?.entry });

  const merged = merge(structures, type, live, configuration) as KubeObject;
  const object = last?.set ? withoutAbandoned(kind, merged, after, last, apiVersion) : merged;

  const comparisons = createComparisons(kind, apiVersion, live, object, compareVersion(kind, apiVersion, live, object));
  const conflicts: Conflict[] = [];
  for (const [otherId, manager] of [...after]) {
    if (otherId === id) continue;
    const comparison = comparisons(manager.apiVersion);
    if (comparison === 'no version') {
      after.delete(otherId);
      continue;
    }
    if (!comparison) continue;
    const set = intersection(manager.set, union(comparison.modified, comparison.added));
    if (set) conflicts.push({ manager, set });
    loseChanged(after, otherId, manager, comparison);
  }
  if (conflicts.length > 0 && !force) throw new ApplyConflicts(conflicts);
  const isChanged = comparisons(apiVersion) !== undefined;
  const owner = after.get(id)!;
  const set = difference(wanted, serverFields);
  const kept = last?.set && set && isSameSet(last.set, set) ? last.set : set;
  if (kept === undefined) after.delete(id);
  else after.set(id, { ...owner, set: kept, time: isChanged ? writer.time : last?.time });
  return { object: isChanged ? object : undefined, managers: after };
}

/**
 * Without what the manager applied the last time, does not apply now, and nobody else owns. A struct goes with all that is
 * in it once none of its fields is owned, so that the server's defaults within it go too.
 */
function withoutAbandoned(
  kind: VersionedKind,
  merged: KubeObject,
  managers: Managers,
  last: Manager,
  apiVersion: string,
): KubeObject {
  const { structures } = kind;
  const lastType = kind.typeOf(last.apiVersion);
  if (lastType === undefined) return merged;
  const owned = ownedByVersion(managers);
  const whole = converted(kind, merged, last.apiVersion);
  const complete = (set: FieldSet | undefined) => withStructs(structures, lastType, set);
  const there = complete(ownedPaths(structures, lastType, whole));
  const abandoned = difference(intersection(there, complete(last.set)), complete(owned.get(last.apiVersion)));
  if (abandoned === undefined) return merged;
  let pruned = without(structures, lastType, whole, abandoned) as KubeObject;
  for (const [version, set] of owned) {
    const type = version === last.apiVersion ? undefined : kind.typeOf(version);
    if (type === undefined) continue;
    const before = converted(kind, merged, version);
    const left = ownedPaths(structures, type, converted(kind, pruned, version));
    const kept = union(withStructs(structures, type, left), withStructs(structures, type, set));
    const gone = difference(withStructs(structures, type, ownedPaths(structures, type, before)), kept);
    if (gone) pruned = without(structures, type, before, gone) as KubeObject;
  }
  return converted(kind, pruned, apiVersion);
}

function ownedByVersion(managers: Managers): Map<string, FieldSet | undefined> {
  const owned = new Map<string, FieldSet | undefined>();
  for (const { apiVersion, set } of managers.values()) owned.set(apiVersion, union(owned.get(apiVersion), set));
  return owned;
}

function compareVersion(
  kind: VersionedKind,
  version: string,
  old: KubeObject,
  now: KubeObject,
): Comparison | undefined {
  return excluding(compare(kind.structures, kind.typeOf(version)!, old, now), kind.resetFields);
}

/** By version, each made when first asked for. */
function createComparisons(
  kind: VersionedKind,
  apiVersion: string,
  old: KubeObject,
  now: KubeObject,
  changes: Comparison | undefined,
): (version: string) => Comparison | undefined | 'no version' {
  const known = new Map<string, Comparison | undefined>([[apiVersion, changes]]);
  return (version) => {
    if (known.has(version)) return known.get(version);
    if (kind.typeOf(version) === undefined) return 'no version';
    const comparison = compareVersion(kind, version, kind.convert(old, version), kind.convert(now, version));
    known.set(version, comparison);
    return comparison;
  };
}

function loseChanged(managers: Managers, id: string, manager: Manager, changes: Comparison): void {
  const lost = union(union(changes.modified, changes.added), changes.removed);
  takeFrom(managers, id, intersection(manager.set, lost));
}

function converted(kind: VersionedKind, object: KubeObject, apiVersion: string): KubeObject {
  return object.apiVersion === apiVersion ? object : kind.convert(object, apiVersion);
}

function speaksOne(managers: Managers, apiVersion: string): boolean {
  for (const manager of managers.values()) if (manager.apiVersion !== apiVersion) return false;
  return true;
}

function isSameSet(a: FieldSet, b: FieldSet): boolean {
  return difference(a, b) === undefined && difference(b, a) === undefined;
}
