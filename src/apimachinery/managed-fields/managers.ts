/**
 * metadata.managedFields as what it means: managers by who they are, each with the set of what it owns. An applier is one
 * manager whatever version it speaks; an updater is another one in each version.
 */
import type { ManagedFieldsEntry } from '../object.ts';
import { parseTime } from '../time.ts';
import { difference, type FieldSet, fieldSetFrom, sorted, union } from './field-set.ts';

export interface Manager {
  name: string;
  operation: 'Apply' | 'Update';
  apiVersion: string;
  subresource: string;
  time: string | undefined;
  set: FieldSet | undefined;
  /** What it was read from: written as it is while nothing changes. */
  entry: ManagedFieldsEntry | undefined;
}

/** By `managerId`. */
export type Managers = Map<string, Manager>;

/** Updaters beyond these are joined, oldest first, under one name. Upstream's DefaultMaxUpdateManagers. */
export const updateManagersMax = 10;
const ancientChanges = 'ancient-changes';

export function managerId(m: Pick<Manager, 'name' | 'operation' | 'apiVersion' | 'subresource'>): string {
  return `${m.name}\n${m.operation}\n${m.operation === 'Update' ? m.apiVersion : ''}\n${m.subresource}`;
}

/** Undefined: not what a server would have written. */
export function decodeManagers(entries: unknown): Managers | undefined {
  const managers: Managers = new Map();
  if (entries === undefined || entries === null) return managers;
  if (!Array.isArray(entries)) return undefined;
  for (const entry of entries as (ManagedFieldsEntry | null)[]) {
    const { operation, apiVersion } = entry ?? {};
    if (!entry || (operation !== 'Apply' && operation !== 'Update') || !apiVersion) return undefined;
    if (entry.fieldsType !== 'FieldsV1') return undefined;
    const manager: Manager = {
      name: entry.manager ?? '',
      operation,
      apiVersion,
      subresource: entry.subresource ?? '',
      time: entry.time ?? undefined,
      set: fieldSetFrom(entry.fieldsV1),
      entry,
    };
    managers.set(managerId(manager), manager);
  }
  return managers;
}

/** Undefined: there are none. */
export function encodeManagers(managers: Managers): ManagedFieldsEntry[] | undefined {
  if (managers.size === 0) return undefined;
  const all = [...managers.values()];
  if (all.length > 1) all.sort(compareManagers);
  return all.map(encodeManager);
}

function encodeManager(manager: Manager): ManagedFieldsEntry {
  const { name, operation, apiVersion, time, set, subresource, entry } = manager;
  if (entry && entry.apiVersion === apiVersion && entry.fieldsV1 === set && (entry.time ?? undefined) === time)
    return entry;
  return {
    manager: name,
    operation,
    apiVersion,
    ...(time === undefined ? {} : { time }),
    fieldsType: 'FieldsV1',
    fieldsV1: set === undefined ? {} : sorted(set),
    ...(subresource === '' ? {} : { subresource }),
  };
}

/** Appliers first, then by the second they last wrote in, then by who they are. */
function compareManagers(a: Manager, b: Manager): number {
  return (
    compareText(a.operation, b.operation) ||
    secondsOf(a) - secondsOf(b) ||
    compareText(a.name, b.name) ||
    compareText(a.apiVersion, b.apiVersion) ||
    compareText(a.subresource, b.subresource)
  );
}

function compareText(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

function secondsOf(manager: Manager): number {
  return Math.floor((parseTime(manager.time) ?? 0) / 1000);
}

/** In place: gives `manager` another set; one who owns nothing is gone. */
export function setOwned(managers: Managers, id: string, manager: Manager, set: FieldSet | undefined): void {
  if (set === undefined) managers.delete(id);
  else if (set !== manager.set) managers.set(id, { ...manager, set });
}

/** In place: what is in `taken` is no longer theirs. */
export function takeFrom(managers: Managers, id: string, taken: FieldSet | undefined): void {
  const manager = managers.get(id);
  if (manager && taken) setOwned(managers, id, manager, difference(manager.set, taken));
}

/** In place: so many updaters are told apart; of what is older, only the version is kept. */
export function capUpdateManagers(managers: Managers): void {
  let count = 0;
  for (const manager of managers.values()) if (manager.operation === 'Update') count++;
  if (count <= updateManagersMax) return;
  const updaters = [...managers.entries()].filter(([, manager]) => manager.operation === 'Update');
  updaters.sort(([idA, a], [idB, b]) => secondsOf(a) - secondsOf(b) || compareText(idA, idB));
  const firstOfVersion = new Map<string, string>();
  for (const [id, manager] of updaters) {
    if (count <= updateManagersMax) return;
    const first = firstOfVersion.get(manager.apiVersion);
    if (first === undefined) {
      firstOfVersion.set(manager.apiVersion, id);
      continue;
    }
    const bucket: Manager = { ...manager, name: ancientChanges, subresource: '', entry: undefined };
    const bucketId = managerId(bucket);
    const before = managers.get(bucketId) ?? managers.get(first);
    if (!managers.has(bucketId)) managers.delete(first);
    if (id !== bucketId) managers.delete(id);
    managers.set(bucketId, { ...bucket, set: union(manager.set, before?.set) });
    count--;
  }
}
