/** The paths an object sets: what a manager that applies it owns. */
import { isJsonObject } from '../json-value.ts';
import type { SchemaType } from '../schema/schema.ts';
import { type FieldSet, isLeaf, leaf, nodeOf } from './field-set.ts';
import { elementOf, isEmpty, memberType, type Structures, untyped } from './structure.ts';

/**
 * Leaves, elements of lists and maps themselves, and structs only where they are empty: a struct exists by its fields.
 * Undefined: the object sets nothing.
 */
export function ownedPaths(structures: Structures, type: SchemaType, value: unknown): FieldSet | undefined {
  const structure = structures.ofValue(type, value);
  if (structure.kind === 'scalar' || structure.isAtomic) return leaf;
  if (value === null || value === undefined) return undefined;
  const children: Record<string, FieldSet> = {};
  if (structure.kind === 'list') {
    if (!Array.isArray(value)) return leaf;
    for (const item of value) {
      const below = ownedPaths(structures, structure.items, item);
      children[elementOf(structure, item)] = nodeOf(true, childrenOf(below))!;
    }
    return nodeOf(false, children);
  }
  if (!isJsonObject(value)) return leaf;
  for (const name in value) {
    const item = value[name];
    if (item === undefined) continue;
    const isField = structure.fields !== undefined && Object.hasOwn(structure.fields, name);
    const below = ownedPaths(structures, memberType(structure, name) ?? untyped, item);
    const isOwned = !isField || item === null || (isJsonObject(item) && isEmpty(item)) || (below && isLeaf(below));
    const node = nodeOf(isOwned === true, childrenOf(below));
    if (node) children[`f:${name}`] = node;
  }
  return nodeOf(false, children);
}

/**
 * With the structs that lead to the set's paths. A set names a struct's fields and not the struct: to take fields away for
 * good, or to keep them, means to take or keep the structs around them as well.
 */
export function withStructs(structures: Structures, type: SchemaType, set: FieldSet | undefined): FieldSet | undefined {
  if (set === undefined) return undefined;
  const structure = structures.of(type);
  const out: Record<string, FieldSet> = {};
  for (const element in set) {
    const node = set[element]!;
    if (element === '.' || isLeaf(node)) {
      out[element] = node;
      continue;
    }
    const name = element.slice(2);
    let below: SchemaType = untyped;
    let isStructField = false;
    if (structure.kind === 'map' && element.startsWith('f:')) {
      below = memberType(structure, name) ?? untyped;
      isStructField = structure.fields !== undefined && Object.hasOwn(structure.fields, name);
    } else if (structure.kind === 'list') below = structure.items;
    const inner = withStructs(structures, below, node)!;
    out[element] = isStructField && inner['.'] === undefined ? { '.': leaf, ...inner } : inner;
  }
  return out;
}

function childrenOf(node: FieldSet | undefined): Record<string, FieldSet> | undefined {
  if (node === undefined) return undefined;
  const { '.': _member, ...children } = node;
  return children;
}
