/**
 * The registry: a resource's life between the endpoints and the storage. It runs the kind's strategy (names, metadata,
 * generation, finalizers, graceful deletion, validation) and admission, and turns StoredObjects into answers.
 * Also how the server itself reads and writes objects, without a request: bootstrap, RBAC, admission.
 */
import type { KubeObject } from '#apimachinery/object.ts';
import type { ResourceInfo, Strategy } from '#apis/kind.ts';
import type { Scheme } from '#apis/scheme.ts';
import type { Preconditions, ResourceCodec, ResourceStorage, StorageBackend, StoredObject } from '#storage/storage.ts';
import type { UserInfo } from '../request.ts';

/** On whose behalf, and how. Internal callers use `systemContext`. */
export interface WriteContext {
  user: UserInfo;
  dryRun: boolean;
  fieldManager: string;
  /** The version the client speaks, in which it owns fields. Absent: the stored one. */
  served?: ResourceInfo;
  addWarning(text: string): void;
  signal?: AbortSignal;
}

export interface DeleteOptions {
  gracePeriodSeconds?: number;
  propagationPolicy?: 'Foreground' | 'Background' | 'Orphan';
  orphanDependents?: boolean;
  preconditions?: Preconditions;
}

/** One group/resource, in its storage version. */
export interface ResourceRegistry {
  readonly info: ResourceInfo;
  readonly strategy: Strategy;
  readonly codec: ResourceCodec;
  readonly storage: ResourceStorage;
  key(namespace: string, name: string): string;
  /** `object` is decoded, defaulted and in the storage version; its namespace already agrees with the URL. */
  create(context: WriteContext, namespace: string, object: KubeObject): Promise<StoredObject>;
  /**
   * `change` gets the current object (undefined: does not exist) and returns the wanted one; run again on conflict unless the wanted
   * one names a resourceVersion. `subresource`: '' or 'status' or another the strategy knows.
   */
  update(
    context: WriteContext,
    namespace: string,
    name: string,
    subresource: string,
    change: (current: KubeObject | undefined) => Promise<KubeObject> | KubeObject,
    options?: UpdateOptions,
  ): Promise<{ entry: StoredObject; created: boolean }>;
  /** `deleted` false: it goes on living until its grace period or finalizers end. */
  delete(
    context: WriteContext,
    namespace: string,
    name: string,
    options: DeleteOptions,
  ): Promise<{ entry: StoredObject; deleted: boolean }>;
}

export interface UpdateOptions {
  /**
   * Server-side apply: a name that does not exist is created, whatever the strategy says, and the wanted object already
   * says who owns its fields.
   */
  isApply?: boolean;
}

export interface Registry {
  readonly scheme: Scheme;
  readonly backend: StorageBackend;
  /** Undefined: not served. */
  resource(group: string, resource: string): ResourceRegistry | undefined;
  resources(): Iterable<ResourceRegistry>;
  /** A live, parsed copy of a resource, fed by its watch cache; made on first use and shared. */
  lister<T extends KubeObject = KubeObject>(group: string, resource: string): Lister<T>;
}

/** How the server itself writes, past authorization: bootstrap, allocation. */
export const systemContext: WriteContext = {
  user: { name: 'system:apiserver', groups: ['system:masters', 'system:authenticated'] },
  dryRun: false,
  fieldManager: 'kube-apiserver',
  addWarning() {},
};

export interface Lister<T extends KubeObject = KubeObject> {
  get(namespace: string, name: string): T | undefined;
  list(namespace?: string): T[];
  /** Called after every change, once the first list is in; `key` is `namespace/name` or `name`. */
  onChange(fn: (key: string, object: T | undefined) => void): void;
  readonly synced: boolean;
  whenSynced(): Promise<void>;
}
