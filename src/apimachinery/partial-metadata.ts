/** Objects reduced to their metadata, for clients that ask `as=PartialObjectMetadata`: garbage collectors, caches. */
import type { KubeList, KubeObject, ObjectMeta } from './object.ts';

export interface PartialObjectMetadata {
  kind: 'PartialObjectMetadata';
  apiVersion: 'meta.k8s.io/v1';
  metadata: ObjectMeta;
}

export interface PartialObjectMetadataList {
  kind: 'PartialObjectMetadataList';
  apiVersion: 'meta.k8s.io/v1';
  metadata: KubeList['metadata'];
  items: PartialObjectMetadata[];
}

/** Shares the metadata with `object`. */
export function toPartialObjectMetadata(object: Pick<KubeObject, 'metadata'>): PartialObjectMetadata {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
}

export function toPartialObjectMetadataList(list: Pick<KubeList, 'metadata' | 'items'>): PartialObjectMetadataList {
  return {
    kind: 'PartialObjectMetadataList',
    apiVersion: 'meta.k8s.io/v1',
    metadata: list.metadata,
    items: list.items.map(toPartialObjectMetadata),
  };
}
