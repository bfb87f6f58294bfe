/**
 * What a schema says about ownership: which values divide into fields or elements that have owners of their own, and which
 * are owned as a whole. As in upstream's typed schemas: lists are atomic unless they are sets or maps by key, maps and
 * structs granular unless they are atomic, and a value without a type (a custom resource's preserved fields) is divided by
 * what it turns out to be.
 */
import { isJsonObject } from '../json-value.ts';
import { type SchemaField, type SchemaSet, type SchemaType, specialSchemas } from '../schema/schema.ts';
import { keyElement, type ListKey, setElement } from './path-element.ts';

export type Structure = ScalarStructure | MapStructure | ListStructure | UntypedStructure;

export interface ScalarStructure {
  kind: 'scalar';
  of: 'string' | 'number' | 'boolean' | 'any';
}

export interface MapStructure {
  kind: 'map';
  isAtomic: boolean;
  /** A struct's fields; undefined: a map of `values`. */
  fields: Record<string, SchemaField> | undefined;
  values: SchemaType | undefined;
}

export interface ListStructure {
  kind: 'list';
  isAtomic: boolean;
  /** Of a list that is a map by key, in order of name; undefined: a set, or atomic. */
  keys: readonly ListKey[] | undefined;
  items: SchemaType;
}

export interface UntypedStructure {
  kind: 'untyped';
  isAtomic: boolean;
}

/** Looks up structures, each type once. */
export interface Structures {
  /** The type of a whole kind. */
  root(schemaName: string): SchemaType;
  of(type: SchemaType): Structure;
  /** As `of`, with what an untyped value turns out to be. */
  ofValue(type: SchemaType, value: unknown): ScalarStructure | MapStructure | ListStructure;
}

/** A value whose type nobody knows. */
export const untyped: SchemaType = {};

const structuresOfSets = new WeakMap<SchemaSet, Structures>();

export function structuresOf(schemas: SchemaSet): Structures {
  let structures = structuresOfSets.get(schemas);
  if (!structures) {
    structures = createStructures(schemas);
    structuresOfSets.set(schemas, structures);
  }
  return structures;
}

function createStructures(schemas: SchemaSet): Structures {
  const known = new WeakMap<SchemaType, Structure>();
  const roots = new Map<string, SchemaType>();
  const of = (type: SchemaType): Structure => {
    let structure = known.get(type);
    if (!structure) {
      structure = compile(schemas, type);
      known.set(type, structure);
    }
    return structure;
  };
  return {
    of,
    root(schemaName) {
      let type = roots.get(schemaName);
      if (!type) {
        type = { ref: schemaName };
        roots.set(schemaName, type);
      }
      return type;
    },
    ofValue(type, value) {
      const structure = of(type);
      if (structure.kind !== 'untyped') return structure;
      if (Array.isArray(value)) return untypedList;
      if (!isJsonObject(value)) return anyScalar;
      return structure.isAtomic ? atomicMap : untypedMap;
    },
  };
}

const anyScalar: ScalarStructure = { kind: 'scalar', of: 'any' };
const untypedMap: MapStructure = { kind: 'map', isAtomic: false, fields: undefined, values: untyped };
const atomicMap: MapStructure = { ...untypedMap, isAtomic: true };
const untypedList: ListStructure = { kind: 'list', isAtomic: true, keys: undefined, items: untyped };

function compile(schemas: SchemaSet, type: SchemaType): Structure {
  const field = type as Partial<SchemaField>;
  if (type.ref !== undefined) return compileRef(schemas, type.ref, field.mapType === 'atomic');
  switch (type.type) {
    case 'array':
      return compileList(schemas, field);
    case 'object': {
      const isAtomic = field.mapType === 'atomic';
      return { kind: 'map', isAtomic, fields: undefined, values: type.additionalProperties ?? untyped };
    }
    case 'string':
    case 'boolean':
      return { kind: 'scalar', of: type.type };
    case 'integer':
    case 'number':
      return { kind: 'scalar', of: 'number' };
    default:
      return { kind: 'untyped', isAtomic: false };
  }
}

function compileRef(schemas: SchemaSet, ref: string, isAtomic: boolean): Structure {
  const schema = schemas.get(ref);
  if (schema?.fields) {
    return { kind: 'map', isAtomic: isAtomic || schema.mapType === 'atomic', fields: schema.fields, values: undefined };
  }
  if (scalars.has(ref)) return anyScalar;
  if (schema?.type === 'object' && ref !== specialSchemas.rawExtension && ref !== specialSchemas.fieldsV1) {
    return { kind: 'map', isAtomic, fields: {}, values: undefined };
  }
  return { kind: 'untyped', isAtomic: true };
}
const scalars: ReadonlySet<string> = new Set([
  specialSchemas.time,
  specialSchemas.microTime,
  specialSchemas.quantity,
  specialSchemas.intOrString,
]);

function compileList(schemas: SchemaSet, field: Partial<SchemaField>): ListStructure {
  const items = field.items ?? untyped;
  const isMap = field.listType === 'map';
  const fields = items.ref === undefined ? undefined : schemas.get(items.ref)?.fields;
  const names = isMap ? [...(field.listMapKeys ?? [])].sort() : [];
  return {
    kind: 'list',
    isAtomic: !isMap && field.listType !== 'set',
    keys: isMap ? names.map((name) => ({ name, default: fields?.[name]?.default })) : undefined,
    items,
  };
}

/** Undefined: a struct has no such field. */
export function memberType(structure: MapStructure, name: string): SchemaType | undefined {
  if (structure.fields === undefined) return structure.values;
  return Object.hasOwn(structure.fields, name) ? structure.fields[name] : structure.values;
}

export function elementOf(structure: ListStructure, item: unknown): string {
  return structure.keys === undefined ? setElement(item) : keyElement(item, structure.keys);
}

/** null, absent, `{}` and `[]` have nothing to divide. */
export function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (typeof value !== 'object') return false;
  for (const _ in value) return false;
  return true;
}
