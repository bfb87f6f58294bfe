/** The storage of one API server: one etcd watch, the caches it feeds, and the reads they all share. */

import type { KubeObject } from '#apimachinery/object.ts';
import { type Clock, sleep } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import { Compactor } from '../etcd3/compactor.ts';
import { storeDeadlineMs, withDeadline } from '../etcd3/deadline.ts';
import type { EtcdKv } from '../etcd3/kv.ts';
import { Leases } from '../etcd3/leases.ts';
import { createRawStorage } from '../etcd3/raw-storage.ts';
import { toStatusError } from '../etcd3/store-errors.ts';
import { type ResourceView, Writer } from '../etcd3/writer.ts';
import type { ResourceStorage, StorageBackend } from '../storage.ts';
import { ConsistencyChecker } from './consistency-checker.ts';
import { CurrentRevision, readHeader } from './current-revision.ts';
import type { CacheEvent } from './event-ring.ts';
import { ResourceCache } from './resource-cache.ts';
import { CachedResourceStorage } from './resource-storage.ts';
import type { StoreRevision } from './store-revision.ts';
import { StoreWatch } from './store-watch.ts';

export interface StorageBackendOptions {
  /** `kvOfClient(…)` of etcd3/client-kv.ts. */
  client: EtcdKv;
  clock: Clock;
  log: Logger;
  random: () => number;
  /** The prefix of all keys, with the slash at its end. Default `/registry/`. */
  prefix?: string;
  /** Events kept of a resource, by its codec's prefix: where each ring starts; it grows under load. */
  watchCacheSizes?: ReadonlyMap<string, number>;
  /** Default 100, as upstream. */
  defaultWatchCacheSize?: number;
  /** Of the store's old revisions. Default 0: they are not compacted from here. */
  compactionIntervalMs?: number;
  /** How often each cache is compared with the store. Default 0: never. */
  consistencyCheckIntervalMs?: number;
}

/** What the parts of a backend share. */
export interface CacheContext {
  kv: EtcdKv;
  clock: Clock;
  random: () => number;
  revision: StoreRevision;
  /** Rejects with a StatusError. */
  currentRevision(): Promise<number>;
  canRequestProgress(): boolean;
  /** False: the caches are on their way from the past they began with, older than what this server may have shown before. */
  isUpToDate(): boolean;
}

const defaultRingCapacity = 100;
const settleEveryMs = 60_000;

export function createStorageBackend(options: StorageBackendOptions): StorageBackend {
  const { client: kv, clock, log, random } = options;
  const prefix = options.prefix ?? '/registry/';
  const watch = new StoreWatch({ kv, clock, log, random, prefix });
  const compactor = new Compactor({ kv, clock, log, intervalMs: options.compactionIntervalMs ?? 0 });
  const leases = new Leases(kv, clock);
  const storages = new Map<string, ResourceStorage>();

  const checker = new ConsistencyChecker({
    kv,
    clock,
    log,
    random,
    intervalMs: options.consistencyCheckIntervalMs ?? 0,
    revision: watch.revision,
    caches: () => watch.caches,
    check: (header, floor) => watch.check(header, floor),
    rebuild: (cache) => watch.rebuild(cache),
  });

  const closing = new AbortController();
  const askRevision = async (boundMs: number): Promise<number> => {
    const floor = watch.revision.applied;
    try {
      const header = await withDeadline(clock, boundMs, closing.signal, (s) => readHeader(kv, prefix, s));
      watch.check(header, floor);
      return header.revision;
    } catch (error) {
      throw toStatusError(error);
    }
  };
  const current = new CurrentRevision(askRevision, clock, storeDeadlineMs);
  const context: CacheContext = {
    kv,
    clock,
    random,
    revision: watch.revision,
    currentRevision: () => current.read(),
    canRequestProgress: () => watch.canRequestProgress,
    isUpToDate: () => watch.isUpToDate,
  };
  const settle = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      await sleep(clock, settleEveryMs, signal);
      for (const cache of watch.caches) cache.settle();
    }
  };
  const decode = (key: string, value: Buffer): KubeObject =>
    watch.cacheOf(key)?.codec.decode(value) ?? JSON.parse(value.toString());

  return {
    resource(codec) {
      const known = storages.get(codec.prefix);
      if (known) return known;
      const ringCapacity =
        options.watchCacheSizes?.get(codec.prefix) ?? options.defaultWatchCacheSize ?? defaultRingCapacity;
      const cache = new ResourceCache(codec, { clock, log, ringCapacity });
      const writer = new Writer({ kv, clock, codec, leases, decode, view: viewOf(cache, watch.revision) });
      const storage = new CachedResourceStorage(cache, context, writer);
      storages.set(codec.prefix, storage);
      watch.add(cache);
      return storage;
    },
    currentRevision: () => current.read(),
    synced: () => watch.synced,
    divergences: () => checker.divergences,
    async ping(signal) {
      try {
        await withDeadline(clock, storeDeadlineMs, signal, (s) => readHeader(kv, prefix, s));
      } catch (error) {
        throw toStatusError(error);
      }
    },
    async condition(signal) {
      try {
        return await withDeadline(clock, storeDeadlineMs, signal, (s) => kv.condition(s));
      } catch (error) {
        throw toStatusError(error);
      }
    },
    raw: createRawStorage(kv, clock, leases),
    async run(signal) {
      try {
        await Promise.all([watch.run(signal), compactor.run(signal), checker.run(signal), settle(signal)]);
      } finally {
        closing.abort();
      }
    },
  };
}

/** How long a writer that lost its answer waits at a time for the watch to tell what became of the write. */
const witnessBoundMs = 1_000;

function viewOf(cache: ResourceCache, revision: StoreRevision): ResourceView {
  return {
    get: (key) => (cache.ready ? cache.get(key) : undefined),
    handOver: (entry) => cache.handOver(entry),
    applied: () => revision.applied,
    async history(key, since, upTo) {
      const isReached = await revision.reach(upTo, witnessBoundMs);
      const { ring, ready } = cache;
      const events: CacheEvent[] = [];
      for (let i = ring.indexAfter(since); i < ring.size; i++) {
        const event = ring.at(i);
        if (event.key === key) events.push(event);
      }
      return { events, isFromStart: ready && ring.low <= since, isToEnd: ready && isReached };
    },
  };
}
