/**
 * From client-side to server-side apply. An object that `kubectl apply` made carries its last configuration in an annotation
 * and its fields belong to an updater; when the same kubectl then applies on the server, what it had set itself is no
 * conflict, and the annotation is kept up to date for a way back.
 */
import { deepEqual } from '../deep-equal.ts';
import { isJsonObject } from '../json-value.ts';
import type { KubeObject } from '../object.ts';
import { compare } from './compare.ts';
import type { VersionedKind } from './field-manager.ts';
import { difference, type FieldSet } from './field-set.ts';
import { ownedPaths } from './owned-paths.ts';

/** Only this manager's; others opt out by their name. */
export const kubectl = 'kubectl';
export const lastAppliedAnnotation = 'kubectl.kubernetes.io/last-applied-configuration';

/** Upstream's TotalAnnotationSizeLimitB. */
const annotationBytesMax = 256 * 1024;

/** What the client set by its last client-side apply and is still so: these fields are its own, whoever is named. */
export function lastAppliedPaths(kind: VersionedKind, live: KubeObject): FieldSet | undefined {
  const configuration = lastApplied(live);
  if (configuration?.apiVersion !== live.apiVersion) return undefined;
  const type = kind.typeOf(live.apiVersion)!;
  const changes = compare(kind.structures, type, configuration, live);
  let set = ownedPaths(kind.structures, type, configuration);
  for (const changed of [changes?.modified, changes?.added, changes?.removed]) set = difference(set, changed);
  return set;
}

/** In place, if there is one. */
export function updateLastApplied(object: KubeObject, configuration: KubeObject): void {
  const annotations = object.metadata.annotations;
  if (annotations?.[lastAppliedAnnotation] === undefined) return;
  const { metadata, ...rest } = configuration;
  const { [lastAppliedAnnotation]: _old, ...others } = metadata?.annotations ?? {};
  const { annotations: _all, ...plain } = metadata ?? {};
  const kept = deepEqual(others, {}) ? plain : { ...plain, annotations: others };
  const text = `${JSON.stringify(sortKeys({ ...rest, metadata: kept }))}\n`;
  const size = Object.entries(annotations).reduce((sum, [key, value]) => sum + key.length + String(value).length, 0);
  const after = { ...annotations };
  if (size - annotations[lastAppliedAnnotation]!.length + text.length > annotationBytesMax) {
    delete after[lastAppliedAnnotation];
  } else after[lastAppliedAnnotation] = text;
  object.metadata = { ...object.metadata, annotations: after };
}

function lastApplied(live: KubeObject): KubeObject | undefined {
  const text = live.metadata.annotations?.[lastAppliedAnnotation];
  if (!text) return undefined;
  try {
    const value = JSON.parse(text);
    return isJsonObject(value) ? (value as KubeObject) : undefined;
  } catch {
    return undefined;
  }
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sortKeys(value[key])]),
  );
}
