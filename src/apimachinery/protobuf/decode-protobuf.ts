/**
 * Reads Kubernetes' protobuf form (`application/vnd.kubernetes.protobuf`): four magic bytes, an envelope that names the
 * type, and the object's message. The result is the object as JSON would have it, before defaulting and pruning. The
 * tables come from facts: message fields by number, and schemas, which tell the JSON name of a field and which
 * embedded messages JSON folds into their parent.
 */
import { BinaryReader, type WireType } from '@bufbuild/protobuf/wire';
import type { SchemaSet } from '../schema/schema.ts';

/** [name, number, label, type, emitted] */
export type ProtoFieldFact = readonly [string, number, string, string, string];
export interface ProtoFacts {
  messages: Record<string, { fields: readonly ProtoFieldFact[] }>;
}

export interface Envelope {
  apiVersion: string;
  kind: string;
  raw: Uint8Array;
  contentType: string;
}

/** The bytes are not what they claim to be. */
export class ProtobufError extends Error {
  override name = 'ProtobufError';
}

const magic = Buffer.from('k8s\0', 'latin1');
/** Deeper nesting than any type of the API has is an attack on the stack. */
const maxDepth = 64;

export function readEnvelope(bytes: Uint8Array): Envelope {
  if (!Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(4, bytes.byteLength)).equals(magic)) {
    throw new ProtobufError('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]');
  }
  const envelope: Envelope = { apiVersion: '', kind: '', raw: new Uint8Array(), contentType: '' };
  readFields(bytes.subarray(4), (number, reader) => {
    if (number === 1) {
      readFields(reader.bytes(), (typeField, type) => {
        if (typeField === 1) envelope.apiVersion = type.string();
        else if (typeField === 2) envelope.kind = type.string();
        else return false;
        return true;
      });
    } else if (number === 2) envelope.raw = reader.bytes();
    else if (number === 4) envelope.contentType = reader.string();
    else return false;
    return true;
  });
  return envelope;
}

type Json = unknown;
type Message = Record<string, Json>;

interface Field {
  jsonName: string;
  /** The message's fields stand in the parent. */
  isInlined: boolean;
  isRepeated: boolean;
  /** For a map: how its values are read. */
  map: ReadValue | undefined;
  read: ReadValue;
}
type ReadValue = (reader: BinaryReader, wireType: WireType, depth: number) => Json;

export class ProtobufDecoder {
  readonly #facts: ProtoFacts;
  readonly #schemas: SchemaSet;
  readonly #fields = new Map<string, ReadonlyMap<number, Field>>();

  constructor(facts: ProtoFacts, schemas: SchemaSet) {
    this.#facts = facts;
    this.#schemas = schemas;
  }

  /** `schemaName` as OpenAPI has it: `io.k8s.api.core.v1.Pod`. Undefined: there is no such message. */
  decode(schemaName: string, bytes: Uint8Array): Message | undefined {
    const message = messageName(schemaName);
    if (!this.#facts.messages[message]) return undefined;
    try {
      return this.#message(message, bytes, 0);
    } catch (error) {
      if (error instanceof ProtobufError) throw error;
      throw new ProtobufError(`proto: illegal ${message.split('.').at(-1)}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  #message(name: string, bytes: Uint8Array, depth: number): Message {
    if (depth > maxDepth) throw new ProtobufError(`message ${name} is nested too deeply`);
    const fields = this.#fieldsOf(name);
    const result: Message = {};
    readFields(bytes, (number, reader, wireType) => {
      const field = fields.get(number);
      if (!field) return false;
      if (field.map) readMapEntry(reader, field, result, depth);
      else if (field.isInlined) Object.assign(result, field.read(reader, wireType, depth));
      else if (field.isRepeated) {
        const value = field.read(reader, wireType, depth);
        const list = (result[field.jsonName] as Json[] | undefined) ?? [];
        list.push(value);
        result[field.jsonName] = list;
      } else {
        const value = field.read(reader, wireType, depth);
        if (value !== undefined) result[field.jsonName] = value;
      }
      return true;
    });
    return result;
  }

  #fieldsOf(name: string): ReadonlyMap<number, Field> {
    const cached = this.#fields.get(name);
    if (cached) return cached;
    const facts = this.#facts.messages[name]?.fields ?? [];
    const known = Object.keys(this.#schemas.get(schemaNameOf(name))?.fields ?? {});
    const hasSchema = known.length > 0;
    const fields = new Map<number, Field>();
    for (const [protoName, number, label, type] of facts) {
      const jsonName = known.find((k) => plain(k) === plain(protoName));
      const mapValue = /^map<string,(.+)>$/.exec(type)?.[1];
      fields.set(number, {
        jsonName: jsonName ?? protoName,
        isInlined: hasSchema && jsonName === undefined && type.includes('.') && label === 'optional',
        isRepeated: label === 'repeated',
        map: label === 'map' ? this.#reader(mapValue ?? type) : undefined,
        read: this.#reader(type),
      });
    }
    this.#fields.set(name, fields);
    return fields;
  }

  #reader(type: string): ReadValue {
    const scalar = scalars[type];
    if (scalar) return scalar;
    const special = specials[type.slice(type.lastIndexOf('.') + 1)];
    if (special) return (reader) => special(reader.bytes(), (schema, bytes) => this.decode(schema, bytes));
    if (/\.(ExtraValue|Verbs)$/.test(type))
      return (reader, _, depth) => this.#message(type, reader.bytes(), depth + 1)['items'] ?? [];
    if (/\.JSONSchemaPropsOr\w+$/.test(type))
      return (reader, _, depth) => this.#alternative(type, reader.bytes(), depth + 1);
    return (reader, _, depth) => this.#message(type, reader.bytes(), depth + 1);
  }

  /** `JSONSchemaPropsOrBool` and its like: a schema, or the other thing, never an object around it. */
  #alternative(type: string, bytes: Uint8Array, depth: number): Json {
    const { schema, allows, jSONSchemas, property } = this.#message(type, bytes, depth);
    if (schema !== undefined) return schema;
    if (type.endsWith('OrBool')) return allows ?? false;
    return jSONSchemas ?? property ?? [];
  }
}

const scalars: Record<string, ReadValue> = {
  string: (reader) => reader.string(),
  bool: (reader) => reader.bool(),
  int32: (reader) => reader.int32(),
  int64: (reader) => Number(reader.int64()),
  double: (reader) => reader.double(),
  bytes: (reader) => Buffer.from(reader.bytes()).toString('base64'),
};

type DecodeNested = (schemaName: string, bytes: Uint8Array) => Message | undefined;

/** Messages that are not objects in JSON. */
const specials: Record<string, (bytes: Uint8Array, decode: DecodeNested) => Json> = {
  Time: (bytes) => timeOf(bytes, 0),
  MicroTime: (bytes) => timeOf(bytes, 6),
  Quantity: (bytes) => {
    let text = '0';
    readFields(bytes, (number, reader) => {
      if (number !== 1) return false;
      text = reader.string();
      return true;
    });
    return text;
  },
  IntOrString: (bytes) => {
    let [kind, integer, text] = [0, 0, ''];
    readFields(bytes, (number, reader) => {
      if (number === 1) kind = Number(reader.int64());
      else if (number === 2) integer = reader.int32();
      else if (number === 3) text = reader.string();
      else return false;
      return true;
    });
    return kind === 1 ? text : integer;
  },
  Duration: (bytes) => {
    let nanoseconds = 0;
    readFields(bytes, (number, reader) => {
      if (number !== 1) return false;
      nanoseconds = Number(reader.int64());
      return true;
    });
    return `${nanoseconds / 1e9}s`;
  },
  FieldsV1: (bytes) => rawJson(bytes),
  JSON: (bytes) => rawJson(bytes),
  RawExtension: (bytes) => rawJson(bytes),
};

/** Field 1 of the message is JSON. */
function rawJson(bytes: Uint8Array): Json {
  let value: Json;
  readFields(bytes, (number, reader) => {
    if (number !== 1) return false;
    const text = Buffer.from(reader.bytes()).toString();
    value = text === '' ? undefined : JSON.parse(text);
    return true;
  });
  return value;
}

/** Undefined for the zero time, which JSON shows as null or not at all. */
function timeOf(bytes: Uint8Array, fraction: 0 | 6): string | undefined {
  if (bytes.byteLength === 0) return undefined;
  let [seconds, nanos] = [0, 0];
  readFields(bytes, (number, reader) => {
    if (number === 1) seconds = Number(reader.int64());
    else if (number === 2) nanos = reader.int32();
    else return false;
    return true;
  });
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) throw new ProtobufError('time out of range');
  const text = date.toISOString().slice(0, 19);
  return fraction === 0 ? `${text}Z` : `${text}.${String(Math.floor(nanos / 1000)).padStart(6, '0')}Z`;
}

function readMapEntry(reader: BinaryReader, field: Field, result: Message, depth: number): void {
  let key = '';
  let value: Json;
  readFields(reader.bytes(), (number, entry, wireType) => {
    if (number === 1) key = entry.string();
    else if (number === 2) value = field.map!(entry, wireType, depth + 1);
    else return false;
    return true;
  });
  const map = (result[field.jsonName] as Message | undefined) ?? {};
  // Not `map[key] =`: a key named __proto__ must become a key.
  Object.defineProperty(map, key, { value: value ?? '', enumerable: true, writable: true, configurable: true });
  result[field.jsonName] = map;
}

/** Calls `read` for each field; what it does not take (false) is skipped. */
function readFields(
  bytes: Uint8Array,
  read: (number: number, reader: BinaryReader, wireType: WireType) => boolean,
): void {
  const reader = new BinaryReader(bytes);
  try {
    while (reader.pos < reader.len) {
      const [number, wireType] = reader.tag();
      if (!read(number, reader, wireType)) reader.skip(wireType, number);
    }
  } catch (cause) {
    // The library throws plain errors for bytes that are no protobuf: cut short, a number that has no end, …
    throw cause instanceof ProtobufError ? cause : new ProtobufError((cause as Error).message, { cause });
  }
}

/** `io.k8s.api.core.v1.Pod` to `k8s.io.api.core.v1.Pod`. */
function messageName(schemaName: string): string {
  return schemaName.replace(/^io\.k8s\./, 'k8s.io.').replaceAll('-', '_');
}

function schemaNameOf(message: string): string {
  return message
    .replace(/^k8s\.io\./, 'io.k8s.')
    .replace('apiextensions_apiserver', 'apiextensions-apiserver')
    .replace('kube_aggregator', 'kube-aggregator');
}

/** `x-kubernetes-list-type`, `xKubernetesListType`; `$ref`, `ref`; `uid`, `uID`: the same name. */
function plain(name: string): string {
  return name.replace(/[-$_]/g, '').toLowerCase();
}
