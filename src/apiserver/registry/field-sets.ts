/**
 * FieldsV1, the JSON form of a set of field paths: `f:` a field or map key, `k:` an element of a list by its keys, `v:` an
 * element of a set, `.` the thing itself. A leaf is `{}`.
 */
import type { SchemaField, SchemaSet, SchemaType } from '#apimachinery/schema/schema.ts';

export interface Fields {
  [path: string]: Fields;
}

export interface Member {
  value: unknown;
  type: SchemaType;
}

/** The parts of a value that have owners of their own; undefined: it is owned as a whole. */
export function membersOf(schemas: SchemaSet, value: unknown, type: SchemaType): Map<string, Member> | undefined {
  const field = type as Partial<SchemaField>;
  if (Array.isArray(value)) {
    const items = type.items ?? {};
    if (field.listType === 'set') return new Map(value.map((v) => [`v:${JSON.stringify(v)}`, { value: v, type: {} }]));
    if (field.listType !== 'map') return undefined;
    const keys = [...(field.listMapKeys ?? [])].sort();
    return new Map(value.map((v) => [`k:${JSON.stringify(pick(v, keys))}`, { value: v, type: items }]));
  }
  if (typeof value !== 'object' || value === null || field.mapType === 'atomic') return undefined;
  const members = new Map<string, Member>();
  if (type.additionalProperties) {
    for (const [key, v] of Object.entries(value))
      members.set(`f:${key}`, { value: v, type: type.additionalProperties });
    return members;
  }
  const schema = type.ref === undefined ? undefined : schemas.get(type.ref);
  if (!schema?.fields || schema.mapType === 'atomic') return undefined;
  for (const [key, v] of Object.entries(value)) {
    const fieldType = schema.fields[key];
    if (fieldType && v !== undefined) members.set(`f:${key}`, { value: v, type: fieldType });
  }
  return members;
}

function pick(value: unknown, keys: readonly string[]): Record<string, unknown> {
  const source = value as Record<string, unknown>;
  return Object.fromEntries(keys.filter((key) => source?.[key] !== undefined).map((key) => [key, source[key]]));
}

export function union(a: Fields, b: Fields | undefined): Fields {
  if (!b) return a;
  const out: Fields = { ...a };
  for (const key of Object.keys(b)) out[key] = key in out ? union(out[key]!, b[key]) : b[key]!;
  return out;
}

/** Undefined: nothing is left. */
export function subtract(a: Fields, b: Fields | undefined): Fields | undefined {
  if (!b) return a;
  const out: Fields = {};
  for (const key of Object.keys(a)) {
    const taken = b[key];
    if (!taken) out[key] = a[key]!;
    else if (!isLeaf(taken) && !isLeaf(a[key]!)) {
      const rest = subtract(a[key]!, taken);
      if (rest) out[key] = rest;
    }
  }
  return isLeaf(out) ? undefined : out;
}

/** What of the set is still in the value. Undefined: nothing. */
export function prune(schemas: SchemaSet, fields: Fields, value: unknown, type: SchemaType): Fields | undefined {
  if (isLeaf(fields)) return fields;
  const members = membersOf(schemas, value, type);
  if (!members) return {};
  const out: Fields = {};
  for (const key of Object.keys(fields)) {
    if (key === '.') {
      out[key] = fields[key]!;
      continue;
    }
    const member = members.get(key);
    const isThere = member !== undefined && member.value !== null;
    const rest = isThere && prune(schemas, fields[key]!, member.value, member.type);
    if (rest) out[key] = rest;
  }
  return isLeaf(out) ? undefined : out;
}

function isLeaf(fields: Fields): boolean {
  for (const _ in fields) return false;
  return true;
}
