/**
 * From JSON a client sent to the object an API server would print: unknown fields dropped, fields in Go's order,
 * always-present fields filled with their zero values and empty ones dropped, quantities, times and bytes in canonical
 * form, map keys sorted. Each schema becomes a decoder once; a good object costs one pass. Only when something is odd
 * (an unknown field, a wrong type) a second walk finds the words for it (decode-problems.ts).
 */
import type { FloatLiterals } from '../json/json-scanner.ts';
import { canonicalQuantity } from '../quantity.ts';
import { normalizeMicroTime, normalizeTime } from '../time.ts';
import { DecodeError, type DecodeWords, findDecodeProblems } from './decode-problems.ts';
import {
  type Decoder,
  type DecodeState,
  decodeAny,
  decodeBoolean,
  decodeBytes,
  decodeInt32,
  decodeInt64,
  decodeNumber,
  decodeString,
  textDecoder,
} from './scalar-decoders.ts';
import { type SchemaSet, type SchemaType, specialSchemas } from './schema.ts';
import { emptinessOf, isNull, zeroOf } from './zero-values.ts';

export { DecodeError, unknownFieldText } from './decode-problems.ts';

export interface DecodeOptions {
  /** Stands before the paths of unknown fields: the field of a larger object that `value` is. */
  path?: string;
  /** From parseJson: whole numbers that were written as fractions. */
  floatLiterals?: FloatLiterals | undefined;
  /** Whose words to use: those of the JSON decoder, or of the converter that reads a strategic patch's result. */
  words?: DecodeWords;
}

export interface Decoded {
  object: any;
  /** Paths, in the order of the document: `spec.foo`, `spec.containers[0].bar`. */
  unknownFields: string[];
}

/** Throws DecodeError in upstream's words for a field of the wrong type. `value` is not changed; parts of it are shared. */
export function decodeObject(
  schemas: SchemaSet,
  schemaName: string,
  value: unknown,
  options: DecodeOptions = {},
): Decoded {
  const decode = decoderOf(schemas, schemaName);
  const state: DecodeState = { odd: false };
  const object = decode(value, state);
  if (!state.odd && options.floatLiterals === undefined) return { object, unknownFields: [] };
  const problems = findDecodeProblems(schemas, schemaName, value, options);
  if (problems.error !== undefined) throw new DecodeError(problems.error);
  return { object, unknownFields: problems.unknownFields };
}

interface FieldDecoder {
  name: string;
  decode: Decoder;
  isEmpty: (value: unknown) => boolean;
  /** Printed when absent; undefined: left out. */
  zero: (() => unknown) | undefined;
}

interface StructLayout {
  /** In Go's order. */
  fields: readonly FieldDecoder[];
  places: ReadonlyMap<string, number>;
  /** Places of the fields that are printed even when absent. */
  always: readonly number[];
}

const decodersOfSets = new WeakMap<SchemaSet, Map<string, Decoder>>();

function decoderOf(schemas: SchemaSet, name: string): Decoder {
  let decoders = decodersOfSets.get(schemas);
  if (!decoders) {
    decoders = new Map();
    decodersOfSets.set(schemas, decoders);
  }
  const known = decoders.get(name);
  if (known) return known;
  const special = specialDecoder(schemas, name);
  if (special) {
    decoders.set(name, special);
    return special;
  }
  // Schemas refer to themselves (JSONSchemaProps): the fields are compiled at first use, after this one is known.
  let layout: StructLayout | undefined;
  const decoder: Decoder = (value, state) => {
    layout ??= compileStruct(schemas, name);
    return decodeStruct(layout, value, state);
  };
  decoders.set(name, decoder);
  return decoder;
}

function decodeStruct(layout: StructLayout, value: unknown, state: DecodeState): unknown {
  let source = value as Record<string, unknown>;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    if (value !== null) state.odd = true;
    source = emptySource;
  }
  // The few fields that are there, of the many that could be, in Go's order.
  const present: number[] = [];
  let last = -1;
  let isOrdered = true;
  for (const name in source) {
    const at = layout.places.get(name);
    if (at === undefined) {
      if (source[name] !== undefined) state.odd = true;
      continue;
    }
    if (at < last) isOrdered = false;
    last = at;
    present.push(at);
  }
  if (!isOrdered) present.sort(ascending);

  const { fields, always } = layout;
  const out: Record<string, unknown> = {};
  let nextAlways = 0;
  for (let i = 0; i < present.length; i++) {
    const at = present[i]!;
    for (; nextAlways < always.length && always[nextAlways]! < at; nextAlways++)
      fillZero(out, fields[always[nextAlways]!]!);
    if (always[nextAlways] === at) nextAlways++;
    const field = fields[at]!;
    const given = source[field.name];
    if (given === undefined || given === null) {
      if (field.zero !== undefined) out[field.name] = field.zero();
      continue;
    }
    const decoded = field.decode(given, state);
    if (field.zero !== undefined || !field.isEmpty(decoded)) out[field.name] = decoded;
  }
  for (; nextAlways < always.length; nextAlways++) fillZero(out, fields[always[nextAlways]!]!);
  return out;
}
const ascending = (a: number, b: number) => a - b;

function fillZero(out: Record<string, unknown>, field: FieldDecoder): void {
  out[field.name] = field.zero!();
}
const emptySource: Record<string, unknown> = {};

function compileStruct(schemas: SchemaSet, schemaName: string): StructLayout {
  const fields = Object.entries(schemas.get(schemaName)?.fields ?? {}).map(([name, field]) => {
    const isPointer = field.go.startsWith('*');
    const decode = typeDecoder(schemas, field);
    return {
      name,
      decode,
      isEmpty: isPointer || field.ref !== undefined ? isNull : emptinessOf(field),
      zero: field.omit === 'never' ? zeroOf(field, decode, isPointer) : undefined,
    };
  });
  return {
    fields,
    places: new Map(fields.map((field, i) => [field.name, i])),
    always: fields.flatMap((field, i) => (field.zero ? [i] : [])),
  };
}

function typeDecoder(schemas: SchemaSet, type: SchemaType): Decoder {
  if (type.ref !== undefined) return decoderOf(schemas, type.ref);
  switch (type.type) {
    case 'string':
      return type.format === 'byte' ? decodeBytes : decodeString;
    case 'boolean':
      return decodeBoolean;
    case 'integer':
      return type.format === 'int32' ? decodeInt32 : decodeInt64;
    case 'number':
      return decodeNumber;
    case 'array':
      return listDecoder(schemas, type.items ?? {});
    case 'object':
      return type.additionalProperties ? mapDecoder(schemas, type.additionalProperties) : decodeAny;
    default:
      return decodeAny;
  }
}

function listDecoder(schemas: SchemaSet, items: SchemaType): Decoder {
  let decodeItem: Decoder | undefined;
  return (value, state) => {
    if (!Array.isArray(value)) {
      state.odd = true;
      return [];
    }
    decodeItem ??= typeDecoder(schemas, items);
    const out = new Array(value.length);
    for (let i = 0; i < value.length; i++) {
      const item = value[i];
      out[i] = item === null ? zeroOf(items, decodeItem, false)() : decodeItem(item, state);
    }
    return out;
  };
}

function mapDecoder(schemas: SchemaSet, values: SchemaType): Decoder {
  let decodeValue: Decoder | undefined;
  return (value, state) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      state.odd = true;
      return {};
    }
    decodeValue ??= typeDecoder(schemas, values);
    const source = value as Record<string, unknown>;
    const keys = Object.keys(source);
    if (!isSorted(keys)) keys.sort();
    const out: Record<string, unknown> = {};
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!;
      const item = source[key];
      if (item === undefined) continue;
      const decoded = item === null ? zeroOf(values, decodeValue, false)() : decodeValue(item, state);
      // A plain assignment of this one key would set the prototype.
      if (key === '__proto__') Object.defineProperty(out, key, { ...ownData, value: decoded });
      else out[key] = decoded;
    }
    return out;
  };
}
const ownData = { writable: true, enumerable: true, configurable: true };

function isSorted(keys: readonly string[]): boolean {
  for (let i = 1; i < keys.length; i++) if (keys[i - 1]! > keys[i]!) return false;
  return true;
}

function specialDecoder(schemas: SchemaSet, name: string): Decoder | undefined {
  switch (name) {
    case specialSchemas.time:
      return textDecoder(normalizeTime, null);
    case specialSchemas.microTime:
      return textDecoder(normalizeMicroTime, null);
    case specialSchemas.quantity:
      return textDecoder((text) => canonicalQuantity(text.trim()), '0');
    case specialSchemas.intOrString:
      return (value, state) => (typeof value === 'string' ? value : decodeInt32(value, state));
    case specialSchemas.rawExtension:
    case specialSchemas.fieldsV1:
    case specialSchemas.patch:
    case specialSchemas.json:
      return decodeAny;
    case specialSchemas.jsonSchemaPropsOrBool:
    case specialSchemas.jsonSchemaPropsOrArray:
    case specialSchemas.jsonSchemaPropsOrStringArray:
      return schemaOrDecoder(schemas);
    default:
      return undefined;
  }
}

/** A JSON schema where other forms are allowed too: a boolean, a list of schemas, a list of property names. */
function schemaOrDecoder(schemas: SchemaSet): Decoder {
  return (value) => {
    // Upstream decodes what is in here without field validation.
    const quiet: DecodeState = { odd: false };
    const decodeSchema = decoderOf(schemas, specialSchemas.jsonSchemaProps);
    if (Array.isArray(value)) return value.map((v) => (typeof v === 'object' ? decodeSchema(v, quiet) : v));
    return typeof value === 'object' ? decodeSchema(value, quiet) : value;
  };
}
