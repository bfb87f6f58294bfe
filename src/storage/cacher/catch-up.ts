import { nextTurn } from '#base/clock.ts';
import { prefixEnd } from '../etcd3/kv.ts';
import { tooOldResourceVersion } from '../etcd3/store-errors.ts';
import type { ListResult, StoredObject, WatchOptions } from '../storage.ts';
import type { CacheContext } from './backend.ts';
import type { ResourceCache } from './resource-cache.ts';
import type { Watcher } from './watcher.ts';

/** So long may one watch be served in one go: its receiver's socket, and everyone else, gets a turn in between. */
const budgetMs = 8;
const sendsBetweenLooks = 64;

/**
 * Brings a watch to the present: the state (if it wants it), then the events since from the ring, in slices. Events
 * that happen meanwhile are in the ring too, so nothing is missed; once there is none left it goes live, in the same
 * turn, so nothing comes twice.
 */
export async function catchUp(
  watcher: Watcher,
  cache: ResourceCache,
  context: CacheContext,
  options: WatchOptions,
  wantsState: boolean,
  /** The state to begin with, when the cache's own is too old. */
  state?: ListResult,
): Promise<void> {
  const { clock, random, revision } = context;
  const pace = new Pace(context, watcher);
  if (wantsState && !watcher.stopped) {
    watcher.position = state?.revision ?? revision.applied;
    for (const entry of state?.entries ?? stateUnder(cache, watcher.prefix)) {
      if (watcher.stopped) return;
      watcher.sendInitial(entry);
      if (watcher.isPaced) {
        const rest = pace.next();
        if (rest) await rest;
      }
    }
    if (options.allowBookmarks) watcher.endOfInitialEvents();
  }
  const { ring } = cache;
  while (!watcher.stopped) {
    if (watcher.position < ring.low) return watcher.end(tooOldResourceVersion(watcher.position, ring.low));
    const index = ring.indexAfter(watcher.position);
    if (index === ring.size) break;
    const reached = ring.at(index).revision;
    for (let i = index; i < ring.size && ring.at(i).revision === reached; i++) {
      const event = ring.at(i);
      if (watcher.covers(event.key)) watcher.deliver(event);
    }
    watcher.position = reached;
    const rest = pace.next();
    if (rest) await rest;
  }
  if (watcher.stopped) return;
  watcher.goLive();
  if (options.allowBookmarks) {
    watcher.scheduleBookmarks(clock, random, options.timeoutSeconds, () => revision.applied);
  }
}

function stateUnder(cache: ResourceCache, prefix: string): StoredObject[] {
  const entries: StoredObject[] = [];
  if (!prefix.endsWith('/')) {
    const only = cache.get(prefix);
    if (only) entries.push(only);
    return entries;
  }
  cache.tree.forRange(prefix, prefixEnd(prefix), false, (_key, entry) => {
    entries.push(entry);
  });
  return entries;
}

/** When to let others have their turn: after a slice of time, or when the receiver has enough for now. */
class Pace {
  readonly #context: CacheContext;
  readonly #watcher: Watcher;
  #untilLook = sendsBetweenLooks;
  #restAt: number;

  constructor(context: CacheContext, watcher: Watcher) {
    this.#context = context;
    this.#watcher = watcher;
    this.#restAt = context.clock.monotonic() + budgetMs;
  }

  /** `undefined`: go on. */
  next(): Promise<void> | undefined {
    const drained = this.#watcher.drained();
    if (drained) return drained.then(() => this.#start());
    if (--this.#untilLook > 0) return undefined;
    this.#untilLook = sendsBetweenLooks;
    if (this.#context.clock.monotonic() < this.#restAt) return undefined;
    return nextTurn(this.#context.clock).then(() => this.#start());
  }

  #start(): void {
    this.#restAt = this.#context.clock.monotonic() + budgetMs;
  }
}
