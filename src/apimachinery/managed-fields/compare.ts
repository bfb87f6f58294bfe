/** What differs between two states of an object, as three sets of paths. The common case, no difference, makes nothing. */
import { deepEqual } from '../deep-equal.ts';
import type { JsonObject } from '../json-value.ts';
import type { SchemaType } from '../schema/schema.ts';
import { type FieldSet, leaf, recursiveDifference } from './field-set.ts';
import {
  elementOf,
  isEmpty,
  type ListStructure,
  type MapStructure,
  memberType,
  type Structures,
  untyped,
} from './structure.ts';

export interface Comparison {
  added: FieldSet | undefined;
  modified: FieldSet | undefined;
  removed: FieldSet | undefined;
}

/** Undefined: they are the same. An absent value is undefined; null is a value. */
export function compare(structures: Structures, type: SchemaType, old: unknown, now: unknown): Comparison | undefined {
  if (old === now) return undefined;
  const structure = structures.ofValue(type, now ?? old);
  if (structure.kind === 'scalar' || structure.isAtomic || (isEmpty(old) && isEmpty(now))) return compareLeaf(old, now);
  const other = structures.ofValue(type, old ?? now);
  if (other.kind !== structure.kind) return compareLeaf(old, now);
  const found: Found = { added: undefined, modified: undefined, removed: undefined };
  if (structure.kind === 'map') compareMaps(structures, structure, asObject(old), asObject(now), found);
  else compareLists(structures, structure, asList(old), asList(now), found);
  if (old === undefined) found.added = { '.': leaf, ...found.added };
  if (now === undefined) found.removed = { '.': leaf, ...found.removed };
  return found.added || found.modified || found.removed ? found : undefined;
}

/** Without what is in `ignored` or below it. */
export function excluding(comparison: Comparison | undefined, ignored: FieldSet | undefined): Comparison | undefined {
  if (comparison === undefined || ignored === undefined) return comparison;
  const added = recursiveDifference(comparison.added, ignored);
  const modified = recursiveDifference(comparison.modified, ignored);
  const removed = recursiveDifference(comparison.removed, ignored);
  return added || modified || removed ? { added, modified, removed } : undefined;
}

interface Found {
  added: Record<string, FieldSet> | undefined;
  modified: Record<string, FieldSet> | undefined;
  removed: Record<string, FieldSet> | undefined;
}

const addedLeaf: Comparison = { added: leaf, modified: undefined, removed: undefined };
const modifiedLeaf: Comparison = { added: undefined, modified: leaf, removed: undefined };
const removedLeaf: Comparison = { added: undefined, modified: undefined, removed: leaf };

function compareLeaf(old: unknown, now: unknown): Comparison | undefined {
  if (old === undefined) return addedLeaf;
  if (now === undefined) return removedLeaf;
  return deepEqual(old, now) ? undefined : modifiedLeaf;
}

function compareMaps(
  structures: Structures,
  structure: MapStructure,
  old: JsonObject,
  now: JsonObject,
  found: Found,
): void {
  for (const name in now) {
    const type = memberType(structure, name) ?? untyped;
    const before = Object.hasOwn(old, name) ? old[name] : undefined;
    const difference = compare(structures, type, before, now[name]);
    if (difference) put(found, `f:${name}`, difference);
  }
  for (const name in old) {
    if (old[name] === undefined || (Object.hasOwn(now, name) && now[name] !== undefined)) continue;
    const difference = compare(structures, memberType(structure, name) ?? untyped, old[name], undefined);
    if (difference) put(found, `f:${name}`, difference);
  }
}

function compareLists(
  structures: Structures,
  structure: ListStructure,
  old: readonly unknown[],
  now: readonly unknown[],
  found: Found,
): void {
  if (old.length === now.length && old.every((item, i) => isSameElement(structure, item, now[i]))) {
    for (let i = 0; i < now.length; i++) {
      const difference = compare(structures, structure.items, old[i], now[i]);
      if (difference) put(found, elementOf(structure, now[i]), difference);
    }
    return;
  }
  const before = byElement(structure, old);
  const after = byElement(structure, now);
  for (const [element, items] of after) {
    const olds = before.get(element);
    const difference =
      items.length === 1 && (olds === undefined || olds.length === 1)
        ? compare(structures, structure.items, olds?.[0], items[0])
        : compareLeaf(olds, items);
    if (difference) put(found, element, difference);
  }
  for (const [element, items] of before) {
    if (after.has(element)) continue;
    const difference = items.length === 1 ? compare(structures, structure.items, items[0], undefined) : removedLeaf;
    if (difference) put(found, element, difference);
  }
}

/** Mostly an update leaves a list's elements where they are: then nobody needs their names. */
function isSameElement(structure: ListStructure, old: unknown, now: unknown): boolean {
  if (structure.keys === undefined) return old === now;
  for (const { name, default: absent } of structure.keys) {
    const a = (old as JsonObject | null)?.[name] ?? absent;
    if (a !== ((now as JsonObject | null)?.[name] ?? absent)) return false;
  }
  return true;
}

/** Elements that occur more than once, which old objects may hold, are compared as one. */
function byElement(structure: ListStructure, items: readonly unknown[]): Map<string, unknown[]> {
  const elements = new Map<string, unknown[]>();
  for (const item of items) {
    const element = elementOf(structure, item);
    const same = elements.get(element);
    if (same) same.push(item);
    else elements.set(element, [item]);
  }
  return elements;
}

function put(found: Found, element: string, difference: Comparison): void {
  if (difference.added) {
    found.added ??= {};
    found.added[element] = difference.added;
  }
  if (difference.modified) {
    found.modified ??= {};
    found.modified[element] = difference.modified;
  }
  if (difference.removed) {
    found.removed ??= {};
    found.removed[element] = difference.removed;
  }
}

const noObject: JsonObject = {};
const noList: readonly unknown[] = [];
const asObject = (value: unknown): JsonObject => (value ?? noObject) as JsonObject;
const asList = (value: unknown): readonly unknown[] => (value ?? noList) as readonly unknown[];
