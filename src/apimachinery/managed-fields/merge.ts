/** What becomes of an object when a configuration is applied to it, and when fields are taken from it. */
import { isJsonObject, type JsonObject, setOwn } from '../json-value.ts';
import type { SchemaType } from '../schema/schema.ts';
import { type FieldSet, isMember } from './field-set.ts';
import { elementOf, isEmpty, type ListStructure, memberType, type Structures, untyped } from './structure.ts';

/** Neither is changed; the result shares parts of both. */
export function merge(structures: Structures, type: SchemaType, live: unknown, applied: unknown): unknown {
  if (applied === undefined) return live;
  const structure = structures.ofValue(type, applied);
  if (structure.kind === 'scalar' || structure.isAtomic || (isEmpty(live) && isEmpty(applied))) return applied;
  // A null asks for nothing where there is something to divide.
  if (applied === null) return live;
  if (structure.kind === 'list') {
    return mergeLists(structures, structure, Array.isArray(live) ? live : [], applied as unknown[]);
  }
  const out: JsonObject = isJsonObject(live) ? { ...live } : {};
  for (const [name, value] of Object.entries(applied as JsonObject)) {
    const before = Object.hasOwn(out, name) ? out[name] : undefined;
    setOwn(out, name, merge(structures, memberType(structure, name) ?? untyped, before, value));
  }
  return out;
}

/**
 * Applied elements come in the order of the configuration, live ones that it does not name keep their place among those
 * that both name: live [a, x, b] and applied [b, n, a] give [x, b, n, a].
 */
function mergeLists(
  structures: Structures,
  structure: ListStructure,
  live: readonly unknown[],
  applied: readonly unknown[],
): unknown[] {
  const wanted = new Map(applied.map((item) => [elementOf(structure, item), item]));
  const current = new Map<string, unknown>();
  const repeated = new Set<string>();
  const places = live.map((item) => {
    const element = elementOf(structure, item);
    if (current.has(element)) repeated.add(element);
    current.set(element, item);
    return element;
  });
  const order = [...wanted.keys()];
  const shared = order.filter((element) => current.has(element));
  const out: unknown[] = [];
  let nextApplied = 0;
  let nextShared = 0;
  const takeApplied = (): string => {
    const element = order[nextApplied++]!;
    const before = repeated.has(element) ? undefined : current.get(element);
    out.push(merge(structures, structure.items, before, wanted.get(element)));
    return element;
  };
  live.forEach((item, i) => {
    if (!wanted.has(places[i]!)) out.push(item);
    else if (places[i] === shared[nextShared]) {
      while (takeApplied() !== shared[nextShared]);
      nextShared++;
    }
  });
  while (nextApplied < order.length) takeApplied();
  return out;
}

/** Without the set's paths and what lies below them. A map or list that loses its last element becomes null. */
export function without(structures: Structures, type: SchemaType, value: unknown, set: FieldSet): unknown {
  if (isEmpty(value)) return value;
  const structure = structures.ofValue(type, value);
  if (structure.kind === 'scalar' || structure.isAtomic) return null;
  if (structure.kind === 'list') {
    if (!Array.isArray(value)) return value;
    const left: unknown[] = [];
    for (const item of value) {
      const node = set[elementOf(structure, item)];
      if (node === undefined) left.push(item);
      else if (!isMember(node)) left.push(without(structures, structure.items, item, node));
    }
    return left.length === 0 ? null : left;
  }
  if (!isJsonObject(value)) return value;
  const left: JsonObject = {};
  for (const [name, item] of Object.entries(value)) {
    const node = Object.hasOwn(set, `f:${name}`) ? set[`f:${name}`] : undefined;
    if (node === undefined) setOwn(left, name, item);
    else if (!isMember(node)) {
      setOwn(left, name, without(structures, memberType(structure, name) ?? untyped, item, node));
    }
  }
  return isEmpty(left) ? null : left;
}
