import { formatGroupVersion } from '#apimachinery/group-version.ts';
import { encodeJson } from '#apimachinery/json/encode-json.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { ResourceInfo, Strategy } from '#apis/kind.ts';
import type { Scheme } from '#apis/scheme.ts';
import type { ResourceCodec } from '#storage/storage.ts';

/**
 * How one resource is written to and read from the store: upstream's JSON, `kind` and `apiVersion` first and a newline
 * at its end, as its encoder has it. To the byte, because upstream takes other bytes for a change.
 */
export function createCodec(scheme: Scheme, info: ResourceInfo, strategy: Strategy): ResourceCodec {
  const storage = info.storage ?? info;
  const kind = storage.kind;
  const apiVersion = formatGroupVersion(storage);
  const definition = scheme.kind(storage);
  return {
    prefix: info.storagePrefix!,
    selectableFields(object) {
      const fields: Record<string, string> = { 'metadata.name': object.metadata.name ?? '' };
      if (info.namespaced) fields['metadata.namespace'] = object.metadata.namespace ?? '';
      return strategy.selectableFields ? Object.assign(fields, strategy.selectableFields(object)) : fields;
    },
    decode(value) {
      const object = typed(JSON.parse(value.toString()), kind, apiVersion);
      // Stored by a version that did not know today's defaults yet.
      definition?.setDefaults?.(object);
      return object;
    },
    encode(object) {
      const metadata = object.metadata;
      const { resourceVersion, ...stored } = metadata;
      const whole = typed(object, kind, apiVersion);
      const value = resourceVersion === undefined ? whole : { ...whole, metadata: stored };
      return Buffer.from(`${encodeJson(value)}\n`);
    },
  };
}

/** The head that every entry's bytes start with; a list leaves it out of its items. */
export function encodedHead(kind: string, apiVersion: string): Buffer {
  return Buffer.from(`{"kind":${JSON.stringify(kind)},"apiVersion":${JSON.stringify(apiVersion)},`);
}

/** With `kind`, `apiVersion`, `metadata` as its first fields, as `encodedHead` needs it. */
function typed(object: KubeObject, kind: string, apiVersion: string): KubeObject {
  const keys = Object.keys(object);
  if (
    keys[0] === 'kind' &&
    keys[1] === 'apiVersion' &&
    keys[2] === 'metadata' &&
    object.kind === kind &&
    object.apiVersion === apiVersion
  ) {
    return object;
  }
  const { kind: _kind, apiVersion: _apiVersion, metadata, ...rest } = object;
  return { kind, apiVersion, metadata, ...rest };
}
