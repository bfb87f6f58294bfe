import { encodeJson } from '#apimachinery/json/encode-json.ts';
import type { KubeObject, ObjectMeta } from '#apimachinery/object.ts';
import { apiErrors } from '#apimachinery/status-error.ts';
import { messageOf } from '#base/errors.ts';
import type { ResourceCodec, StoredObject } from '../storage.ts';
import { keptBytes } from './kept-bytes.ts';

/** An object as it is kept: its bytes with the resourceVersion in them, and what selectors ask for. */
export class Entry implements StoredObject {
  readonly key: string;
  readonly revision: number;
  readonly bytes: Buffer;
  readonly labels: Readonly<Record<string, string>> | undefined;
  readonly fields: Readonly<Record<string, string>>;

  constructor(
    key: string,
    revision: number,
    bytes: Buffer,
    labels: Readonly<Record<string, string>> | undefined,
    fields: Readonly<Record<string, string>>,
  ) {
    this.key = key;
    this.revision = revision;
    this.bytes = bytes;
    this.labels = labels;
    this.fields = fields;
  }

  object(): KubeObject {
    return JSON.parse(this.bytes.toString());
  }
}

/** From what the store holds: the one parse and the one stringify that an event costs this server. */
export function decodeEntry(codec: ResourceCodec, key: string, value: Buffer, revision: number): Entry {
  const object = decodeStored(codec, key, value);
  object.metadata = stamped(object.metadata, revision);
  const labels = object.metadata.labels;
  return new Entry(key, revision, keptBytes(encodeJson(object)), labels, codec.selectableFields(object));
}

/** Throws InternalError with the key's name, for whoever has to mend it. */
function decodeStored(codec: ResourceCodec, key: string, value: Buffer): KubeObject {
  let why: string;
  try {
    const object = codec.decode(value);
    if (typeof object.metadata === 'object' && object.metadata !== null) return object;
    why = 'it has no metadata';
  } catch (error) {
    const isForeign = foreignEncodings.some((start) => value.subarray(0, start.length).equals(start));
    why = isForeign ? 'it is not stored as application/json' : messageOf(error);
  }
  throw apiErrors.internal(new Error(`the value of ${key} in the store cannot be decoded: ${why}`));
}

/** Upstream's protobuf, and its encryption at rest. */
const foreignEncodings = [Buffer.from('k8s\0'), Buffer.from('k8s:enc:')];

/**
 * The same state under another revision: the object of a DELETED event is the last state with the resourceVersion of
 * the event that ended it.
 */
export function restampEntry(entry: Entry, revision: number): Entry {
  const object = entry.object();
  object.metadata.resourceVersion = String(revision);
  return new Entry(entry.key, revision, keptBytes(encodeJson(object)), entry.labels, entry.fields);
}

const beforeResourceVersion = ['name', 'generateName', 'namespace', 'selfLink', 'uid'] as const;

/** resourceVersion stands where upstream's ObjectMeta has it: after uid. */
function stamped(metadata: ObjectMeta, revision: number): ObjectMeta {
  const source = metadata as Record<string, unknown>;
  const result: Record<string, unknown> = {};
  for (const field of beforeResourceVersion) {
    if (source[field] !== undefined) result[field] = source[field];
  }
  result.resourceVersion = String(revision);
  for (const field of Object.keys(source)) {
    if (!(field in result)) result[field] = source[field];
  }
  return result as ObjectMeta;
}
