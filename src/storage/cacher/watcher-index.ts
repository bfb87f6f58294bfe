import { apiErrors } from '#apimachinery/status-error.ts';
import type { CacheEvent } from './event-ring.ts';
import type { Watcher } from './watcher.ts';

/**
 * Watchers by what they watch: the whole resource, one namespace, or one key. An event looks at three buckets, so it
 * costs only those who may want it: ten thousand kubelets' watches on one key each cost an event nothing.
 */
export class WatcherIndex {
  readonly #buckets = new Map<string, Set<Watcher>>();
  readonly #all: string;

  constructor(resourcePrefix: string) {
    this.#all = resourcePrefix;
  }

  get size(): number {
    let size = 0;
    for (const bucket of this.#buckets.values()) size += bucket.size;
    return size;
  }

  add(watcher: Watcher): void {
    const bucket = this.#buckets.get(watcher.prefix);
    if (bucket) bucket.add(watcher);
    else this.#buckets.set(watcher.prefix, new Set([watcher]));
  }

  delete(watcher: Watcher): void {
    const bucket = this.#buckets.get(watcher.prefix);
    if (bucket?.delete(watcher) && bucket.size === 0) this.#buckets.delete(watcher.prefix);
  }

  dispatch(event: CacheEvent): void {
    if (this.#buckets.size === 0) return;
    deliverTo(this.#buckets.get(this.#all), event);
    const namespace = event.key.slice(0, event.key.lastIndexOf('/') + 1);
    if (namespace !== this.#all) deliverTo(this.#buckets.get(namespace), event);
    deliverTo(this.#buckets.get(event.key), event);
  }

  endAll(error?: Error): void {
    for (const bucket of [...this.#buckets.values()]) {
      for (const watcher of [...bucket]) watcher.end(error);
    }
  }
}

/**
 * A watcher may end, and so leave the set, while it is being told: a Set's iteration allows that. One whose selector
 * or receiver throws is ended, and hurts nobody else.
 */
function deliverTo(bucket: Set<Watcher> | undefined, event: CacheEvent): void {
  if (bucket === undefined) return;
  for (const watcher of bucket) {
    try {
      watcher.deliverLive(event);
    } catch (error) {
      watcher.end(apiErrors.internal(error));
    }
  }
}
