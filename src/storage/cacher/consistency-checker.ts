/**
 * Looks for caches that are not what the store is: one resource after the other, each once an interval. A cache that
 * diverges is told of (readiness, log, counters) and made anew from the store, and its watchers are sent to list again,
 * for what they were told was wrong; it counts as diverged until a later check finds it clean. Owns nothing but that
 * verdict; the worst outcome of its loss is that a divergence stays unseen until the next server looks.
 */
import type { Clock } from '#base/clock.ts';
import { sleep } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import { storeDeadlineMs, withDeadline } from '../etcd3/deadline.ts';
import type { EtcdKv, ResponseHeader } from '../etcd3/kv.ts';
import type { Divergence } from '../storage.ts';
import { type Comparison, compareWithStore } from './compare-with-store.ts';
import type { ResourceCache } from './resource-cache.ts';
import type { StoreRevision } from './store-revision.ts';

export interface ConsistencyCheckerOptions {
  kv: EtcdKv;
  clock: Clock;
  log: Logger;
  random: () => number;
  /** How long a round over all resources takes. */
  intervalMs: number;
  revision: StoreRevision;
  caches(): readonly ResourceCache[];
  /** Throws for an answer that is not of the store the caches were made from. */
  check(header: ResponseHeader, floor: number): void;
  rebuild(cache: ResourceCache): void;
  /** See ComparedStore. */
  pageKeys?: number;
}

/** A cache that has been made anew is looked at again this soon, later each time it diverges again. */
const recheckMs = 1_000;

export class ConsistencyChecker {
  readonly #options: ConsistencyCheckerOptions;
  readonly #diverged = new Map<ResourceCache, Divergence>();
  /** Divergences since the last time there was none: what the next look waits for. */
  #failures = 0;

  constructor(options: ConsistencyCheckerOptions) {
    this.#options = options;
  }

  get divergences(): readonly Divergence[] {
    return [...this.#diverged.values()];
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, intervalMs, caches } = this.#options;
    if (intervalMs === 0) return;
    for (let turn = 0; !signal.aborted; turn++) {
      const all = caches();
      const spread = 0.5 + random();
      await sleep(clock, Math.min(this.#recheckMs, (intervalMs / Math.max(1, all.length)) * spread), signal);
      const next = all[turn % all.length];
      const due = new Set([...this.#diverged.keys(), ...(next ? [next] : [])]);
      for (const cache of due) if (!signal.aborted) await this.look(cache, signal);
    }
  }

  get #recheckMs(): number {
    if (this.#diverged.size === 0) return Number.POSITIVE_INFINITY;
    return Math.min(recheckMs * 2 ** this.#failures, this.#options.intervalMs);
  }

  /** Compares one cache now, and does what follows. */
  async look(cache: ResourceCache, signal: AbortSignal): Promise<void> {
    const { log, rebuild } = this.#options;
    const { prefix } = cache.codec;
    if (!cache.ready) return;
    const revision = this.#options.revision.applied;
    const comparison = await this.#compare(cache, revision, signal);
    if (signal.aborted) return;
    cache.counters.checks[comparison.status]++;
    if (comparison.status === 'inconclusive') {
      log.debug({ prefix, revision, why: comparison.why }, 'could not compare the cache with the store');
    } else if (comparison.status === 'divergent') {
      this.#failures++;
      const { differences } = comparison;
      this.#diverged.set(cache, { prefix, revision, differences });
      log.error({ prefix, revision, differences }, 'the cache is not what the store is: it is made anew');
      rebuild(cache);
    } else if (this.#diverged.delete(cache)) {
      if (this.#diverged.size === 0) this.#failures = 0;
      log.info({ prefix, revision }, 'the cache is what the store is again');
    }
  }

  async #compare(cache: ResourceCache, revision: number, signal: AbortSignal): Promise<Comparison> {
    const { kv, clock, random, check, pageKeys } = this.#options;
    const { fills, codec } = cache;
    // No events come between the two: what is applied is in the tree, all of it and nothing else.
    const state = { codec, snapshot: cache.tree.clone(), revision };
    const comparison = await compareWithStore(state, {
      random,
      ...(pageKeys === undefined ? {} : { pageKeys }),
      range: async (request) => {
        const response = await withDeadline(clock, storeDeadlineMs, signal, (s) => kv.range(request, s));
        check(response, revision);
        return response;
      },
    });
    // It may have been of another store.
    return fills === cache.fills ? comparison : { status: 'inconclusive', why: 'the cache was made anew meanwhile' };
  }
}
