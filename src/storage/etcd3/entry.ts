import { encodeJson } from '#apimachinery/json/encode-json.ts';
import type { KubeObject, ObjectMeta } from '#apimachinery/object.ts';
import type { ResourceCodec, StoredObject } from '../storage.ts';

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
  const object = codec.decode(value);
  object.metadata = stamped(object.metadata, revision);
  const labels = object.metadata.labels;
  return new Entry(key, revision, Buffer.from(encodeJson(object)), labels, codec.selectableFields(object));
}

/**
 * The same state under another revision: the object of a DELETED event is the last state with the resourceVersion of
 * the event that ended it.
 */
export function restampEntry(entry: Entry, revision: number): Entry {
  const object = entry.object();
  object.metadata.resourceVersion = String(revision);
  return new Entry(entry.key, revision, Buffer.from(encodeJson(object)), entry.labels, entry.fields);
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
