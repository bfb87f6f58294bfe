/**
 * The storage interface: what the registry asks of a store of API objects. It knows keys, encoded objects and
 * revisions; kinds, validation and admission are above it. Implementations: etcd3/ (over an etcd client) and cacher/
 * (the watch cache, in front of one). Both pass testing/storage-suite.ts.
 *
 * Key: `/registry/<prefix>/[<namespace>/]<name>`. Value: JSON without metadata.resourceVersion, as upstream stores it.
 * A `revision` is the store's number; an object's resourceVersion is its modRevision in decimal.
 */
import type { KubeObject } from '#apimachinery/object.ts';
import type { StorageCounters } from './storage-counters.ts';

/** An object as it is kept and served: encoded once, shared by every reader. Never change it. */
export interface StoredObject {
  readonly key: string;
  /** mod revision: the object's resourceVersion. */
  readonly revision: number;
  /** JSON of the object in its storage version *with* metadata.resourceVersion, ready to be sent. */
  readonly bytes: Buffer;
  readonly labels: Readonly<Record<string, string>> | undefined;
  /** What field selectors of this resource may ask for, by upstream's names. */
  readonly fields: Readonly<Record<string, string>>;
  /** Parses `bytes` anew: the caller owns the result and may change it. */
  object(): KubeObject;
}

/** How a resource's objects are turned into entries; made by the registry from the kind's data. */
export interface ResourceCodec {
  /** `/registry/pods/`: with the slash at its end. */
  readonly prefix: string;
  /** Attributes that field selectors may use. */
  selectableFields(object: KubeObject): Record<string, string>;
  /** From a stored value (any decodable storage form) to the object in the storage version, without resourceVersion. */
  decode(value: Buffer): KubeObject;
  /** The value to store. `object.metadata.resourceVersion` is left out. */
  encode(object: KubeObject): Buffer;
}

export interface Preconditions {
  uid?: string;
  resourceVersion?: string;
}

/** What a list or watch keeps: both run against encoded entries, without parsing them. */
export type EntryFilter = (entry: StoredObject) => boolean;

export type ResourceVersionMatch = 'Exact' | 'NotOlderThan';

export interface GetOptions {
  /** Absent: linearizable. 0: whatever is at hand. N: not older than N (waits, then Timeout "Too large resource version"). */
  revision?: number;
  signal?: AbortSignal;
}

export interface ListOptions extends GetOptions {
  match?: ResourceVersionMatch;
  /** 0 or absent: all. */
  limit?: number;
  /** The token of an earlier page, as it was given. */
  continueToken?: string;
  /**
   * Keys under this, in the codec's prefix: `/registry/pods/default/` lists one namespace. Without the slash at its
   * end it is one key.
   */
  prefix: string;
  filter?: EntryFilter;
}

export interface ListResult {
  entries: StoredObject[];
  /** The revision the list is a snapshot of. */
  revision: number;
  continueToken?: string;
  /** Only without a filter, as upstream. */
  remainingItemCount?: number;
}

export type WatchEventKind = 'ADDED' | 'MODIFIED' | 'DELETED';

export interface StorageEvent {
  type: WatchEventKind;
  /** The revision of the event; for DELETED it is the deletion's, and the entry carries it as its resourceVersion. */
  revision: number;
  entry: StoredObject;
  /** The state before, for MODIFIED and DELETED: a selector may turn MODIFIED into ADDED or DELETED. */
  previous?: StoredObject;
}

export interface WatchOptions {
  /** With the slash at its end: what is under it. Without: that one key (the cheapest watch there is). */
  prefix: string;
  /**
   * Events after this revision. 0: start with synthetic ADDED events of any state at hand. Absent: the same from a
   * fresh state ("get state and start at most recent").
   */
  revision?: number;
  filter?: EntryFilter;
  /** Send the initial state, then a bookmark marked as the end of it (annotation k8s.io/initial-events-end). */
  sendInitialEvents?: boolean;
  allowBookmarks?: boolean;
  /** When the caller will end this watch: a bookmark comes shortly before. */
  timeoutSeconds?: number;
}

/**
 * Where a watch's events go. The storage calls these in order, synchronously, from its own loop; none may throw.
 * `send` returning false means the receiver's buffer is full: the storage ends this watch (the client comes back).
 */
export interface WatchSink {
  send(type: WatchEventKind, entry: StoredObject): boolean;
  /** No event up to `revision` is outstanding. `initialEventsEnd`: the initial state has been sent. */
  bookmark(revision: number, initialEventsEnd: boolean): boolean;
  /**
   * While the initial state and the backlog are sent: what to wait for before there is more. `undefined`: go on. A sink
   * without it gets the initial state in one turn, whatever `send` returns.
   */
  drained?(): Promise<void> | undefined;
  /** All that was before is sent; from now on events come as they happen. */
  live?(): void;
  /** The watch is over. With an error (StatusError: Expired, Timeout, …) it is sent to the client as an ERROR event. */
  end(error?: Error): void;
}

export interface WatchHandle {
  /** Idempotent; after it the sink is not called again. */
  stop(): void;
}

/** One resource's storage. All methods throw StatusError for what a client should read. */
export interface ResourceStorage {
  get(key: string, options?: GetOptions): Promise<StoredObject | undefined>;
  list(options: ListOptions): Promise<ListResult>;
  /** `undefined` when the key exists. */
  create(key: string, object: KubeObject, options?: WriteOptions): Promise<StoredObject | undefined>;
  /**
   * Reads, lets `change` make the new object, and writes it if nothing came between; else again, from a fresh read.
   * The first try may start from a cached entry; a `change` that throws on that is tried once more on a fresh one.
   * `change` gets its own copy. Returning the unchanged object writes nothing and keeps the revision.
   * `undefined` from `change`: delete. The entry after the write (after a deletion: the last state, with the
   * deletion's revision); `undefined` when the key does not exist and `change` made nothing of it.
   */
  guaranteedUpdate(
    key: string,
    change: (
      current: KubeObject | undefined,
      revision: number,
    ) => Promise<KubeObject | undefined> | KubeObject | undefined,
    options?: WriteOptions,
  ): Promise<StoredObject | undefined>;
  /**
   * Starts a watch. Rejects (Expired: "too old resource version: …") only before the first call of the sink, which is
   * never called before this has resolved.
   */
  watch(options: WatchOptions, sink: WatchSink): Promise<WatchHandle>;
  /** Number of objects, from the cache. */
  count(): number;
  /** True once the initial list is in the cache. */
  ready(): boolean;
  statistics(): StorageStatistics;
}

/** For metrics. */
export interface StorageStatistics {
  readonly counters: StorageCounters;
  /** Events that the cache has room for now. */
  readonly ringCapacity: number;
  /** The revision that the cache has reached. */
  readonly revision: number;
}

export interface WriteOptions {
  /** Seconds after which the store itself removes the key (Events). */
  ttlSeconds?: number;
  /**
   * Fencing (DESIGN.md §6): this other key must still hold what `check` accepts, compared inside the transaction.
   */
  fence?: { key: string; check(value: KubeObject | undefined): void };
  signal?: AbortSignal;
}

export interface StoreCondition {
  /** What the database takes on its disk. */
  databaseBytes: number;
  /** By etcd's names: `NOSPACE`, `CORRUPT`. */
  alarms: string[];
}

/** One per API server: the etcd watch over `/registry/`, the caches it feeds, and reads shared by all resources. */
export interface StorageBackend {
  /** The same codec (by prefix) gives the same storage. */
  resource(codec: ResourceCodec): ResourceStorage;
  /** The store's current revision, linearizable; one request in flight, shared by all who wait. */
  currentRevision(): Promise<number>;
  /** All registered resources have their initial state. */
  synced(): boolean;
  /** Resources whose cache was found not to be what the store is, and not found clean since. */
  divergences(): readonly Divergence[];
  /** Resolves if the store answers now. For health checks. */
  ping(signal: AbortSignal): Promise<void>;
  /** What the store says of itself: its size, and what is wrong with it. */
  condition(signal: AbortSignal): Promise<StoreCondition>;
  /** Plain keys outside resources: masterleases, ranges, compact_rev_key. */
  raw: RawStorage;
  run(signal: AbortSignal): Promise<void>;
}

/** A resource whose cache was found to differ from the store, and has not been found clean since. */
export interface Divergence {
  /** The resource's prefix in the store. */
  prefix: string;
  /** At which the two were compared. */
  revision: number;
  /** The first of them. */
  differences: readonly Difference[];
}

export interface Difference {
  key: string;
  what: 'not cached' | 'not stored' | 'another revision' | 'another value';
  cachedRevision?: number;
  storedRevision?: number;
}

/** Small keys with no kind. Compare-and-swap on the mod revision (0: must not exist). */
export interface RawStorage {
  get(key: string): Promise<{ value: Buffer; revision: number } | undefined>;
  list(prefix: string): Promise<{ key: string; value: Buffer; revision: number }[]>;
  put(key: string, value: Buffer, options?: { ifRevision?: number; ttlSeconds?: number }): Promise<boolean>;
  delete(key: string): Promise<void>;
}
