/** Between the version a client speaks and the one that is stored. */
import { formatGroupVersion } from '#apimachinery/group-version.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { ResourceInfo } from '#apis/kind.ts';
import type { Scheme } from '#apis/scheme.ts';

export function isStorageVersion(info: ResourceInfo): boolean {
  const storage = info.storage;
  return storage === undefined || (storage.group === info.group && storage.version === info.version);
}

/** In place. */
export function toStorageVersion(scheme: Scheme, info: ResourceInfo, object: KubeObject): KubeObject {
  if (isStorageVersion(info)) return object;
  scheme.kind(info)?.toStorage?.(object);
  object.apiVersion = formatGroupVersion(info.storage!);
  object.kind = info.storage!.kind;
  return object;
}

/** In place. */
export function fromStorageVersion(scheme: Scheme, info: ResourceInfo, object: KubeObject): KubeObject {
  if (isStorageVersion(info)) return object;
  scheme.kind(info)?.fromStorage?.(object);
  object.apiVersion = formatGroupVersion(info);
  object.kind = info.kind;
  return object;
}
