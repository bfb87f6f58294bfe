import { Histogram } from '#base/histogram.ts';

/** Upstream's bounds of apiserver_watch_cache_read_wait_seconds. */
const readWaitSeconds = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3];

/** What one resource's storage has done since the process began. Plain numbers: counting costs an addition. */
export class StorageCounters {
  /** Changes that the store told of, and those passed on to whoever watches. */
  eventsReceived = 0;
  eventsDispatched = 0;
  decodeErrors = 0;
  /** Times the whole state was taken from the store. */
  initializations = 0;
  capacityIncreases = 0;
  capacityDecreases = 0;
  /** Watches that were ended because their receivers did not keep up. */
  terminatedWatchers = 0;
  /** Lists from the cache: objects looked at, and given out. */
  cacheLists = 0;
  cacheListsFetched = 0;
  cacheListsReturned = 0;
  /** Lists from the store. */
  storeLists = 0;
  storeListsFetched = 0;
  storeListsReturned = 0;
  /** Reads that must see the newest: from the cache; from the store, the cache not being there in time; failed. */
  readonly consistentReads = { cache: 0, store: 0, failed: 0 };
  /** How long reads waited for the cache to reach their revision. */
  readonly readWait = new Histogram(readWaitSeconds);
  /** Comparisons of the cache with the store. */
  readonly checks = { consistent: 0, divergent: 0, inconclusive: 0 };
}
