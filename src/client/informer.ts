/**
 * A local, eventually consistent copy of a resource (client-go's shared informer): one watch, many handlers, and
 * indexes. Handlers run synchronously in the order of the watch; they put keys in a queue and return.
 */
import type { GroupVersionResource } from '#apimachinery/group-version.ts';
import type { KubeObject } from '#apimachinery/object.ts';

export interface Informer<T extends KubeObject = KubeObject> {
  readonly gvr: GroupVersionResource;
  /** `namespace/name`, or `name` for cluster-scoped objects. The object is shared: never change it. */
  get(key: string): T | undefined;
  list(): T[];
  /** Objects for which the index function gave `value`. */
  byIndex(index: string, value: string): T[];
  addIndex(index: string, values: (object: T) => string[]): void;
  /** Handlers added late are told of every object there is. Deletions that were missed come with the last known state. */
  addHandler(handler: InformerHandler<T>): void;
  /** The first list is in. */
  readonly synced: boolean;
  whenSynced(signal: AbortSignal): Promise<void>;
}

export interface InformerHandler<T extends KubeObject = KubeObject> {
  added?(object: T): void;
  updated?(object: T, old: T): void;
  deleted?(object: T): void;
}

/** One informer per resource and selector, started together. */
export interface InformerFactory {
  informer<T extends KubeObject = KubeObject>(
    gvr: GroupVersionResource,
    options?: {
      namespace?: string;
      fieldSelector?: string;
      labelSelector?: string;
      /** Metadata is enough, without managedFields: the rest is not kept, unless somebody else's informer does. */
      metadataOnly?: boolean;
    },
  ): Informer<T>;
  /** The resource is no longer served: its informers end, and the next who asks gets new ones. */
  stop(gvr: GroupVersionResource): void;
  /** Runs all informers, those asked for later included, until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

/** `namespace/name` or `name`. */
export function objectKey(object: KubeObject): string {
  const { namespace, name } = object.metadata;
  return namespace ? `${namespace}/${name}` : name!;
}
