/**
 * One resource's storage: reads from the cache when it is as fresh as the reader asks, from the store when it is not
 * or its history does not reach; writes to the store; watches from the cache.
 */
import { apiErrors, isStatusError, StatusError } from '#apimachinery/status-error.ts';
import { continueAfter, decodeContinueToken, expiredContinue, type PagePosition } from '../etcd3/continue-token.ts';
import { storeDeadlineMs, untilAborted, withDeadline } from '../etcd3/deadline.ts';
import { decodeEntry } from '../etcd3/entry.ts';
import { type EtcdKv, KvError, prefixEnd } from '../etcd3/kv.ts';
import { tooLargeResourceVersion, tooOldResourceVersion, toStatusError } from '../etcd3/store-errors.ts';
import { listFromStore, type StoreListRequest } from '../etcd3/store-list.ts';
import type { Writer } from '../etcd3/writer.ts';
import type {
  EntryFilter,
  GetOptions,
  ListOptions,
  ListResult,
  ResourceStorage,
  StorageStatistics,
  StoredObject,
  WatchHandle,
  WatchOptions,
  WatchSink,
} from '../storage.ts';
import type { StorageCounters } from '../storage-counters.ts';
import type { CacheContext } from './backend.ts';
import { catchUp } from './catch-up.ts';
import type { EntryTree, ResourceCache } from './resource-cache.ts';
import { Watcher } from './watcher.ts';

/** How long a read waits for the cache to see a revision the reader names. As upstream. */
const freshnessBoundMs = 3_000;
/** How long a consistent read waits for the cache before it goes to the store. */
const lagBoundMs = 1_000;
/** The same where the store cannot be asked for progress: then only events move the cache. */
const lagBoundWithoutProgressMs = 200;

type ReadSource = 'cache' | 'store';

export class CachedResourceStorage implements ResourceStorage {
  readonly #cache: ResourceCache;
  readonly #context: CacheContext;
  readonly #writer: Writer;
  readonly create: ResourceStorage['create'];
  readonly guaranteedUpdate: ResourceStorage['guaranteedUpdate'];

  constructor(cache: ResourceCache, context: CacheContext, writer: Writer) {
    this.#cache = cache;
    this.#context = context;
    this.#writer = writer;
    this.create = (key, object, options) => this.#writer.create(key, object, options);
    this.guaranteedUpdate = (key, change, options) => this.#writer.guaranteedUpdate(key, change, options);
  }

  count(): number {
    return this.#cache.tree.size;
  }

  ready(): boolean {
    return this.#cache.ready;
  }

  statistics(): StorageStatistics {
    const { counters, ring } = this.#cache;
    return { counters, ringCapacity: ring.capacity, revision: this.#context.revision.applied };
  }

  async get(key: string, options: GetOptions = {}): Promise<StoredObject | undefined> {
    const deadline = this.#deadline(options.revision);
    const source = await this.#sourceFor(options.revision, options.signal);
    if (source === 'cache' && !this.#cache.unreadable.has(key)) return this.#cache.get(key);
    const { kv } = this.#context;
    const response = await this.#ask(deadline, options.signal, (signal) => kv.range({ key }, signal));
    this.#expectFresh(response.revision, options.revision);
    const found = response.kvs[0];
    return found && decodeEntry(this.#cache.codec, key, found.value, found.modRevision);
  }

  async list(options: ListOptions): Promise<ListResult> {
    const { prefix, revision, limit = 0, match, continueToken } = options;
    const deadline = this.#deadline(revision);
    // One object has no pages.
    const isPaged = prefix.endsWith('/');
    if (continueToken && isPaged) {
      const position = decodeContinueToken(continueToken, prefix);
      if (position.revision > 0) return this.#listAt(position.revision, options, deadline, position);
      return this.#listFresh(options, undefined, deadline, position.startKey);
    }
    // A limit with a revision asks for that very snapshot, unless told otherwise: upstream's rule from before `match`.
    const isExact = match === 'Exact' || (match === undefined && isPaged && limit > 0);
    if (isExact && revision) return this.#listAt(revision, options, deadline);
    return this.#listFresh(options, revision, deadline, prefix);
  }

  async watch(options: WatchOptions, sink: WatchSink): Promise<WatchHandle> {
    const { revision, sendInitialEvents } = options;
    const wantsState = sendInitialEvents ?? (revision === undefined || revision === 0);
    const isFresh = await this.#cacheReachesFor(revision);
    if (!this.#cache.ready) await this.#cacheIsReady();
    // The cache does not get there in time: then the state is the store's, and what the cache learns later follows it.
    const state = wantsState && !isFresh ? await this.#stateOfStore(options) : undefined;
    const position = wantsState ? 0 : revision || this.#context.revision.applied;
    const { ring, watchers, counters } = this.#cache;
    if (!wantsState && position < ring.low) throw tooOldResourceVersion(position, ring.low);
    const unreadable = wantsState && this.#cache.unreadable.under(options.prefix);
    if (unreadable) throw apiErrors.internal(new Error(`the value of ${unreadable} in the store cannot be decoded`));
    const watcher = new Watcher(options, position, sink, (ended, isSlow) => {
      watchers.delete(ended);
      if (isSlow) counters.terminatedWatchers++;
    });
    watchers.add(watcher);
    // Not before the caller has the handle.
    this.#context.clock.soon(() => {
      catchUp(watcher, this.#cache, this.#context, options, wantsState, state).catch((error: unknown) =>
        watcher.end(apiErrors.internal(error)),
      );
    });
    return watcher;
  }

  /** Waits until the source can serve a read that must not be older than `revision`; absent: than now. */
  async #sourceFor(revision: number | undefined, signal: AbortSignal | undefined): Promise<ReadSource> {
    if (!this.#cache.servesReads) return 'store';
    if (revision === 0)
      return this.#cache.ready && this.#context.isUpToDate() && this.#context.revision.isPastTold ? 'cache' : 'store';
    if (revision !== undefined) {
      const reached = this.#reach(revision, this.#boundMs(freshnessBoundMs), signal);
      if (reached !== true && !(await reached)) {
        // Here a revision of writes elsewhere is not seen until something happens under the prefix.
        if (!this.#context.canRequestProgress() && !signal?.aborted) return 'store';
        throw tooLargeResourceVersion(revision, this.#context.revision.applied);
      }
      return this.#cache.ready && this.#context.revision.isPastTold ? 'cache' : 'store';
    }
    if (!this.#cache.ready) return 'store';
    const { consistentReads } = this.#cache.counters;
    let current: number;
    try {
      current = await this.#currentRevision(signal);
    } catch (error) {
      consistentReads.failed++;
      throw error;
    }
    const reached = this.#reach(current, this.#boundMs(lagBoundMs), signal);
    const isReached = reached === true || (await reached);
    const source = isReached && this.#cache.ready ? 'cache' : 'store';
    consistentReads[source]++;
    return source;
  }

  /** Whether the cache comes to the revision in time: `true` at once when it is there. */
  #reach(revision: number, boundMs: number, signal: AbortSignal | undefined): true | Promise<boolean> {
    const { clock, revision: progress } = this.#context;
    const { readWait } = this.#cache.counters;
    if (progress.applied >= revision) {
      readWait.observe(0);
      return true;
    }
    const start = clock.monotonic();
    return progress
      .reach(revision, boundMs, signal)
      .finally(() => readWait.observe((clock.monotonic() - start) / 1000));
  }

  /** How long to wait for the cache; less where waiting may be in vain. */
  #boundMs(boundMs: number): number {
    return this.#context.canRequestProgress() ? boundMs : lagBoundWithoutProgressMs;
  }

  /** Of a read that waits for nothing: none, for looking at the clock would be most of what it costs. */
  #deadline(revision: number | undefined): number {
    return revision === 0 ? Number.POSITIVE_INFINITY : this.#context.clock.monotonic() + storeDeadlineMs;
  }

  #currentRevision(signal: AbortSignal | undefined): Promise<number> {
    const answer = this.#context.currentRevision();
    return signal === undefined ? answer : untilAborted(answer, signal).catch(rethrow);
  }

  async #listFresh(
    options: ListOptions,
    revision: number | undefined,
    deadline: number,
    startKey: string,
  ): Promise<ListResult> {
    const source = await this.#sourceFor(revision, options.signal);
    if (source === 'store' || this.#cache.unreadable.under(options.prefix)) {
      const result = await this.#listStore({ ...options, revision: undefined, startKey }, deadline, options.signal);
      this.#expectFresh(result.revision, revision);
      return result;
    }
    const applied = this.#context.revision.applied;
    const result = listTree(this.#cache.tree, applied, startKey, options, this.#cache.counters);
    if (result.continueToken) this.#cache.keepSnapshot(applied);
    return result;
  }

  async #listAt(
    revision: number,
    options: ListOptions,
    deadline: number,
    position?: PagePosition,
  ): Promise<ListResult> {
    const { revision: progress } = this.#context;
    const isReached = await this.#reach(revision, this.#boundMs(freshnessBoundMs), options.signal);
    if (!isReached && options.signal?.aborted) throw tooLargeResourceVersion(revision, progress.applied);
    const startKey = position?.startKey ?? options.prefix;
    const isCached = isReached && this.#cache.servesReads && this.#cache.ready;
    const snapshot = isCached ? this.#cache.snapshotAt(revision) : undefined;
    if (snapshot) return listTree(snapshot, revision, startKey, options, this.#cache.counters);
    try {
      return await this.#listStore({ ...options, revision, startKey }, deadline, options.signal);
    } catch (error) {
      if (isFutureRevision(error)) throw tooLargeResourceVersion(revision, progress.applied);
      if (position && isStatusError(error, 'Expired')) throw expiredContinue(position, options.prefix);
      throw error;
    }
  }

  async #listStore(request: StoreListRequest, deadline: number, signal: AbortSignal | undefined): Promise<ListResult> {
    const { kv } = this.#context;
    const { counters, codec } = this.#cache;
    counters.storeLists++;
    const range: EtcdKv['range'] = async (page, s) => {
      const response = await kv.range(page, s);
      counters.storeListsFetched += response.kvs.length;
      return response;
    };
    const result = await this.#ask(deadline, signal, (s) => listFromStore({ range }, codec, request, s));
    counters.storeListsReturned += result.entries.length;
    return result;
  }

  /** `deadline`: of the whole read, whatever of it was spent on waiting for the cache. */
  async #ask<T>(
    deadline: number,
    signal: AbortSignal | undefined,
    request: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { clock } = this.#context;
    const boundMs = Math.min(storeDeadlineMs, Math.max(0, deadline - clock.monotonic()));
    try {
      return await withDeadline(clock, boundMs, signal, request);
    } catch (error) {
      throw error instanceof KvError ? toStatusError(error) : error;
    }
  }

  #expectFresh(actual: number, wanted: number | undefined): void {
    this.#context.revision.told(actual);
    if (wanted && actual < wanted) throw tooLargeResourceVersion(wanted, actual);
  }

  #stateOfStore({ prefix, revision }: WatchOptions): Promise<ListResult> {
    return this.#listStore({ prefix, startKey: prefix }, this.#deadline(revision), undefined).then((state) => {
      this.#expectFresh(state.revision, revision);
      return state;
    });
  }

  /**
   * A watch begins where this server already is: one that waited for a revision the store never had would be silent for
   * ever. Where progress cannot be asked for, a revision that was read from the store may not show yet: then it waits a
   * little. False: the cache is still behind.
   */
  async #cacheReachesFor(revision: number | undefined): Promise<boolean> {
    if (revision === 0 && this.#context.isUpToDate()) return true;
    const { revision: progress } = this.#context;
    const wanted = revision || (await this.#currentRevision(undefined));
    if (!this.#context.canRequestProgress()) return progress.reach(wanted, lagBoundWithoutProgressMs);
    if (!(await progress.reach(wanted, freshnessBoundMs))) throw tooLargeResourceVersion(wanted, progress.applied);
    return true;
  }

  async #cacheIsReady(): Promise<void> {
    if (await this.#cache.whenReady(freshnessBoundMs)) return;
    throw apiErrors.tooManyRequests('storage is (re)initializing', 1);
  }
}

function isFutureRevision(error: unknown): boolean {
  return error instanceof StatusError && error.cause instanceof KvError && error.cause.kind === 'futureRevision';
}

function rethrow(error: unknown): never {
  throw error instanceof KvError ? toStatusError(error) : error;
}

/** A page of one state: no other code runs meanwhile, so the live tree needs no copy. */
function listTree(
  tree: EntryTree,
  revision: number,
  startKey: string,
  options: { prefix: string; limit?: number; filter?: EntryFilter },
  counters: StorageCounters,
): ListResult {
  const { prefix, filter, limit = 0 } = options;
  const entries: StoredObject[] = [];
  counters.cacheLists++;
  if (!prefix.endsWith('/')) {
    const only = startKey <= prefix ? tree.get(prefix) : undefined;
    if (only && (filter === undefined || filter(only))) entries.push(only);
    counters.cacheListsFetched += only ? 1 : 0;
    counters.cacheListsReturned += entries.length;
    return { entries, revision };
  }
  const end = prefixEnd(prefix);
  let fetched = 0;
  const collect = (_key: string, entry: StoredObject): { break: true } | undefined => {
    fetched++;
    if (filter === undefined || filter(entry)) entries.push(entry);
    return limit > 0 && entries.length >= limit ? { break: true } : undefined;
  };
  // Its type forgets that a range, too, can be left early.
  tree.forRange(startKey, end, false, collect as (key: string, entry: StoredObject) => void);
  counters.cacheListsFetched += fetched;
  counters.cacheListsReturned += entries.length;
  if (limit === 0 || entries.length < limit) return { entries, revision };
  const last = entries.at(-1)!.key;
  const remaining = tree.forRange(`${last}\0`, end, false);
  if (remaining === 0) return { entries, revision };
  const continueToken = continueAfter(last, revision, prefix);
  return filter
    ? { entries, revision, continueToken }
    : { entries, revision, continueToken, remainingItemCount: remaining };
}
