/**
 * The one watch over the whole prefix that feeds every resource's cache. Owns the caches' content and the applied
 * revision. It keeps its place over reconnections, so a cache sees every event once, in order; only compaction makes
 * it list again, and only another store (cluster id, or a revision gone backwards) makes it forget.
 */

import { apiErrors } from '#apimachinery/status-error.ts';
import type { Clock } from '#base/clock.ts';
import { sleep } from '#base/clock.ts';
import { messageOf } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import { storeDeadlineMs, withDeadline } from '../etcd3/deadline.ts';
import { type EtcdKv, KvError, type KvEvent, type KvWatch, prefixEnd, type ResponseHeader } from '../etcd3/kv.ts';
import { readHeader } from './current-revision.ts';
import { EventQueue } from './event-queue.ts';
import { listPages } from './initial-list.ts';
import { hasReliableProgress } from './progress-support.ts';
import type { ResourceCache } from './resource-cache.ts';
import { StoreRevision } from './store-revision.ts';

const backoffMinMs = 50;
const backoffMaxMs = 2_000;
const parallelListsMax = 4;
/**
 * A server that starts takes its first state from this many revisions ago and follows the store from there: so its
 * rings hold what just happened, and a watch that broke with another server resumes here without listing again.
 */
const pastRevisions = 1_000;
/** So long may progress requests go unanswered before the stream is given up. */
const silentStreamMs = 5_000;

export interface StoreWatchOptions {
  kv: EtcdKv;
  clock: Clock;
  random: () => number;
  log: Logger;
  /** `/registry/` */
  prefix: string;
}

export class StoreWatch {
  readonly revision: StoreRevision;
  readonly #options: StoreWatchOptions;
  /** By the resource's prefix. */
  readonly #caches = new Map<string, ResourceCache>();
  readonly #queue: EventQueue;
  readonly #toFill = new Set<ResourceCache>();
  #lists = 0;
  /** The last revision that is in the queue or applied; 0 before the first contact. */
  #received = 0;
  #clusterId = '';
  /** Where the store stood when we first looked: before that is applied, we are behind. */
  #upToDateAt = 0;
  /** The past is gone (compacted), or of another store: begin at the present. */
  #noPast = false;
  /** Counts the times that lists under way became worthless. */
  #generation = 0;
  #stream: KvWatch | undefined;
  #failStream: ((error: KvError) => void) | undefined;
  /** By its version. */
  #isProgressReliable = false;
  /** This stream has told its progress when asked. A proxy may stand in between that never does. */
  #isProgressTold = false;
  /** Monotonic: the first progress request since the stream was last heard of. */
  #unansweredSince: number | undefined;
  #stopped: AbortSignal | undefined;

  constructor(options: StoreWatchOptions) {
    this.#options = options;
    this.revision = new StoreRevision(options.clock, () => this.#requestProgress());
    this.#queue = new EventQueue(
      options.clock,
      (event) => this.cacheOf(event.kv.key)?.apply(event),
      (revision) => this.revision.advance(revision),
    );
  }

  /** As new as the store was when we first looked. */
  get isUpToDate(): boolean {
    return this.#received > 0 && this.revision.applied >= this.#upToDateAt;
  }

  /** Every resource has its initial state. */
  get synced(): boolean {
    if (!this.isUpToDate) return false;
    for (const cache of this.#caches.values()) if (!cache.ready) return false;
    return true;
  }

  /** False: the server's progress answers may overtake events, or none can be had; reads then go round the cache. */
  get canRequestProgress(): boolean {
    return this.#isProgressReliable && this.#isProgressTold;
  }

  add(cache: ResourceCache): void {
    this.#caches.set(cache.codec.prefix, cache);
    if (this.#received > 0) this.#refill(cache);
  }

  get caches(): readonly ResourceCache[] {
    return [...this.#caches.values()];
  }

  /** The cache is not what the store is. Its watchers were told what is not so: they have to begin anew. */
  rebuild(cache: ResourceCache): void {
    if (!cache.ready) return;
    cache.drop(apiErrors.expired('too old resource version: the watch cache was rebuilt'));
    this.#refill(cache);
  }

  /** A prefix has two or three segments: `/registry/pods/`, `/registry/services/specs/`. */
  cacheOf(key: string): ResourceCache | undefined {
    let slash = this.#options.prefix.length - 1;
    for (let depth = 0; depth < 3; depth++) {
      slash = key.indexOf('/', slash + 1);
      if (slash < 0) return undefined;
      const cache = this.#caches.get(key.slice(0, slash + 1));
      if (cache) return cache;
    }
    return undefined;
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#stopped = signal;
    const { clock, log, random } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      try {
        await this.#follow(signal, () => {
          failures = 0;
        });
      } catch (error) {
        if (signal.aborted) break;
        if (error instanceof KvError && error.kind === 'compacted') {
          this.#listAgain();
          continue;
        }
        log.warn({ error: messageOf(error), revision: this.#received }, 'watch of the store ended');
      }
      const delay = Math.min(backoffMaxMs, backoffMinMs * 2 ** failures++) * (0.5 + random());
      await sleep(clock, delay, signal);
    }
    this.#queue.clear();
    this.revision.close();
    for (const cache of this.#caches.values()) cache.watchers.endAll();
  }

  /** One stream, from where the last one ended, until it ends. */
  async #follow(signal: AbortSignal, onConnected: () => void): Promise<never> {
    const { kv, clock, prefix } = this.#options;
    const header = await withDeadline(clock, storeDeadlineMs, signal, (s) => readHeader(kv, prefix, s));
    this.#recognize(header);
    void this.#learnVersion(signal);
    try {
      return await new Promise<never>((_, reject) => {
        const stop = () => reject(new KvError('cancelled', 'stopped'));
        signal.addEventListener('abort', stop, { once: true });
        const fail = (error: KvError) => {
          signal.removeEventListener('abort', stop);
          reject(error);
        };
        this.#failStream = fail;
        this.#stream = kv.watch(
          { key: prefix, rangeEnd: prefixEnd(prefix), startRevision: this.#received + 1 },
          {
            onCreated: () => {
              this.#tryProgress();
              void this.#confirm(signal).catch(fail);
            },
            onEvents: (events) => this.#guard(fail, () => this.#receive(events)),
            onProgress: (revision) => this.#progress(revision),
            onEnd: fail,
          },
        );
        for (const cache of this.#caches.values()) if (!cache.ready && !cache.filling) this.#refill(cache);
        onConnected();
        if (signal.aborted) stop();
      });
    } finally {
      this.#stream?.close();
      this.#stream = undefined;
      this.#unansweredSince = undefined;
      this.#isProgressTold = false;
      this.#failStream = undefined;
    }
  }

  /** Between the look at the store and the watch on it, another may have taken its place. */
  async #confirm(signal: AbortSignal): Promise<void> {
    const { kv, clock, prefix } = this.#options;
    const floor = this.revision.applied;
    this.check(await withDeadline(clock, storeDeadlineMs, signal, (s) => readHeader(kv, prefix, s)), floor);
  }

  /**
   * For a linearizable answer of the store: one of another cluster, or from the past, ends the stream to look anew.
   * `floor`: what was applied when the question was asked; the watch may have overtaken the answer since.
   */
  check(header: ResponseHeader, floor: number): void {
    if (header.clusterId === this.#clusterId && header.revision >= floor) return;
    if (this.#clusterId === '') return;
    const error = new KvError('unavailable', 'the store is another one or an older state of it');
    this.#failStream?.(error);
    throw error;
  }

  async #learnVersion(signal: AbortSignal): Promise<void> {
    const { kv, clock } = this.#options;
    this.#isProgressReliable = await withDeadline(clock, storeDeadlineMs, signal, (s) => kv.version(s)).then(
      hasReliableProgress,
      () => false,
    );
    this.#tryProgress();
  }

  /** The first answer shows that there are answers. */
  #tryProgress(): void {
    if (this.#isProgressReliable) this.#stream?.requestProgress();
  }

  /** Is it the store we know, not gone back in time? */
  #recognize(header: ResponseHeader): void {
    const isKnown = this.#clusterId === '' || header.clusterId === this.#clusterId;
    const reached = Math.max(this.#received, this.revision.applied);
    if (!isKnown || header.revision < reached) {
      this.#options.log.warn(
        { clusterId: header.clusterId, revision: header.revision, known: this.#clusterId, reached },
        'the store is another one or an older state of it: dropping the caches',
      );
      this.#forget();
      const error = apiErrors.expired('too old resource version: the store was replaced');
      for (const cache of this.#caches.values()) cache.drop(error);
      this.revision.reset();
    }
    this.#clusterId = header.clusterId;
    if (this.#received === 0) {
      this.#received = this.#noPast ? header.revision : Math.max(1, header.revision - pastRevisions);
      this.#upToDateAt = header.revision;
      this.#queue.pushProgress(this.#received);
    }
  }

  /** The events since our place are gone: every resource is listed anew, and its watchers told the difference. */
  #listAgain(): void {
    this.#options.log.warn({ revision: this.#received }, 'the store compacted events not yet seen: listing again');
    this.#forget();
    for (const cache of this.#caches.values()) cache.markStale();
  }

  #forget(): void {
    this.#noPast = true;
    this.#generation++;
    this.#toFill.clear();
    this.#queue.clear();
    this.#received = 0;
  }

  /** What is wrong in a response ends the stream, which is then made anew: it must not end the process. */
  #guard(fail: (error: KvError) => void, body: () => void): void {
    try {
      body();
    } catch (error) {
      fail(error instanceof KvError ? error : new KvError('other', messageOf(error), { cause: error }));
    }
  }

  /** Somebody waits for what has not come. A stream that does not even answer is dead, whatever its connection says. */
  #requestProgress(): void {
    if (!this.#isProgressReliable || this.#stream === undefined) return;
    const now = this.#options.clock.monotonic();
    if (this.#isProgressTold) this.#unansweredSince ??= now;
    if (this.#unansweredSince !== undefined && now - this.#unansweredSince > silentStreamMs) {
      this.#failStream?.(new KvError('unavailable', 'the watch does not answer'));
    } else {
      this.#stream.requestProgress();
    }
  }

  #receive(events: readonly KvEvent[]): void {
    this.#unansweredSince = undefined;
    const last = events.at(-1);
    if (last === undefined || last.kv.modRevision <= this.#received) return;
    if (this.#queue.isFull) throw new KvError('other', 'events come faster than they can be delivered');
    const fresh = events[0]!.kv.modRevision > this.#received;
    this.#queue.pushEvents(fresh ? events : events.filter((e) => e.kv.modRevision > this.#received));
    this.#received = last.kv.modRevision;
  }

  #progress(revision: number): void {
    this.#unansweredSince = undefined;
    this.#isProgressTold = true;
    if (revision <= this.#received) return;
    this.#received = revision;
    this.#queue.pushProgress(revision);
  }

  #refill(cache: ResourceCache): void {
    this.#toFill.add(cache);
    this.#startLists();
  }

  #startLists(): void {
    for (const cache of this.#toFill) {
      if (this.#lists >= parallelListsMax) return;
      this.#toFill.delete(cache);
      this.#lists++;
      void this.#fill(cache).finally(() => {
        this.#lists--;
        this.#startLists();
      });
    }
  }

  /** Lists the resource at the applied revision; the events after it are held by the cache meanwhile. */
  async #fill(cache: ResourceCache): Promise<void> {
    const { kv, clock, log } = this.#options;
    const generation = this.#generation;
    const isWanted = () => generation === this.#generation && this.#stopped?.aborted === false;
    for (let delay = backoffMinMs; isWanted(); delay = Math.min(delay * 2, backoffMaxMs)) {
      const revision = this.revision.applied;
      cache.beginFill();
      try {
        for await (const page of listPages(kv, clock, cache.codec.prefix, revision, this.#stopped!)) {
          if (!isWanted()) return;
          cache.addListed(page);
        }
        if (cache.canFinishFill) return cache.finishFill(revision);
        log.warn({ prefix: cache.codec.prefix }, 'too many events while listing: listing again');
      } catch (error) {
        if (!isWanted()) return;
        log.warn({ prefix: cache.codec.prefix, error: messageOf(error) }, 'could not list a resource: trying again');
        await sleep(clock, delay, this.#stopped);
      }
    }
  }
}
