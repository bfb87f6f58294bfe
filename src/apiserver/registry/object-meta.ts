/** What the server alone decides of an object's metadata, at its creation and at each change. */
import { randomUUID } from 'node:crypto';
import { deepEqual } from '#apimachinery/deep-equal.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { formatTime } from '#apimachinery/time.ts';
import type { Strategy } from '#apis/kind.ts';

/** In place: what a client may not choose is dropped, what only the server knows is set. */
export function fillSystemFields(object: KubeObject, nowMs: number): void {
  const metadata = object.metadata;
  metadata.uid = randomUUID();
  metadata.creationTimestamp = formatTime(nowMs);
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.managedFields;
  delete metadata['selfLink' as keyof typeof metadata];
}

/** In place: what an update cannot change is taken from the object as it is. */
export function keepSystemFields(object: KubeObject, old: KubeObject): void {
  const metadata = object.metadata;
  const before = old.metadata;
  metadata.uid ??= before.uid;
  keep(metadata, before, 'creationTimestamp');
  keep(metadata, before, 'deletionTimestamp');
  keep(metadata, before, 'deletionGracePeriodSeconds');
  keep(metadata, before, 'generation');
  delete metadata['selfLink' as keyof typeof metadata];
}

function keep<K extends keyof KubeObject['metadata']>(
  metadata: KubeObject['metadata'],
  before: KubeObject['metadata'],
  field: K,
): void {
  if (before[field] === undefined) delete metadata[field];
  else metadata[field] = before[field];
}

/** In place: +1 when what the generation counts has changed. */
export function bumpGeneration(object: KubeObject, old: KubeObject, strategy: Strategy): void {
  if (!strategy.hasGeneration) return;
  const of = strategy.generationOf ?? specOf;
  object.metadata.generation = (old.metadata.generation ?? 0) + (deepEqual(of(object), of(old)) ? 0 : 1);
}

const specOf = (object: KubeObject): unknown => object['spec'];

/** Upstream's order of ObjectMeta's fields, which the bytes show. */
const order = [
  'name',
  'generateName',
  'namespace',
  'selfLink',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'labels',
  'annotations',
  'ownerReferences',
  'finalizers',
  'managedFields',
] as const;

/** Empty maps and lists are left out, as upstream's encoding does. In place on the object, with new metadata. */
export function orderMetadata(object: KubeObject): void {
  const source = object.metadata as Record<string, unknown>;
  const ordered: Record<string, unknown> = {};
  for (const field of order) {
    const value = source[field];
    if (value === undefined || value === null || value === '') continue;
    if (typeof value === 'object' && Object.keys(value).length === 0) continue;
    ordered[field] = value;
  }
  object.metadata = ordered;
}
