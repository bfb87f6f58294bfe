import { type Entry, restampEntry } from '../etcd3/entry.ts';
import type { StorageEvent, WatchEventKind } from '../storage.ts';

/** One change of one object, made once and shared by every watcher. */
export class CacheEvent implements StorageEvent {
  readonly type: WatchEventKind;
  readonly key: string;
  readonly revision: number;
  readonly entry: Entry;
  readonly previous: Entry | undefined;
  /** Monotonic milliseconds at which it was applied. */
  readonly at: number;
  #left: Entry | undefined;

  constructor(
    type: WatchEventKind,
    key: string,
    revision: number,
    entry: Entry,
    previous: Entry | undefined,
    at: number,
  ) {
    this.type = type;
    this.key = key;
    this.revision = revision;
    this.entry = entry;
    this.previous = previous;
    this.at = at;
  }

  /** For a watcher whose selector the change left: the state it knew, under this event's revision. */
  left(): Entry {
    if (this.type === 'DELETED') return this.entry;
    this.#left ??= restampEntry(this.previous!, this.revision);
    return this.#left;
  }
}

/** A full ring whose oldest event is younger than this is too small for its load: watchers would lose their place. */
const eventFreshMs = 75_000;
const ringCapacityMin = 16;
export const ringCapacityMax = 102_400;

export interface RingCounters {
  capacityIncreases: number;
  capacityDecreases: number;
}

/** The last events of one resource, by revision: what a watch can resume from and a snapshot can be wound back by. */
export class EventRing {
  #events: (CacheEvent | undefined)[];
  #first = 0;
  #size = 0;
  /** Events after this revision are here, all of them. */
  #low = 0;
  /** It never shrinks below what it began with. */
  readonly #capacityMin: number;
  readonly #counters: RingCounters;

  constructor(capacity: number, counters: RingCounters) {
    this.#capacityMin = Math.min(Math.max(capacity, ringCapacityMin), ringCapacityMax);
    this.#events = new Array(this.#capacityMin);
    this.#counters = counters;
  }

  get low(): number {
    return this.#low;
  }

  get size(): number {
    return this.#size;
  }

  get capacity(): number {
    return this.#events.length;
  }

  /** Position of events in order: 0 is the oldest. */
  at(index: number): CacheEvent {
    return this.#events[(this.#first + index) % this.#events.length]!;
  }

  get lastRevision(): number {
    return this.#size === 0 ? this.#low : this.at(this.#size - 1).revision;
  }

  push(event: CacheEvent): void {
    if (this.#size === this.#events.length) this.#makeRoom(event.at);
    this.#events[(this.#first + this.#size) % this.#events.length] = event;
    this.#size++;
  }

  /** Index of the first event after `revision`; `size` when there is none. */
  indexAfter(revision: number): number {
    let low = 0;
    let high = this.#size;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.at(middle).revision <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * Gives back the room that a burst took, once a quarter of it would hold what must be kept. To be called now and then,
   * too: a resource that falls silent has no event that would make it look.
   */
  settle(now: number): void {
    while (this.#events.length > this.#capacityMin && this.#needs(now) < this.#events.length / 4) {
      const capacity = Math.max(this.#events.length >> 1, this.#capacityMin);
      while (this.#size > capacity) this.#dropOldest();
      this.#counters.capacityDecreases++;
      this.#resize(capacity);
    }
  }

  /** How many events are too young to be forgotten. */
  #needs(now: number): number {
    let low = 0;
    let high = this.#size;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (now - this.at(middle).at < eventFreshMs) high = middle;
      else low = middle + 1;
    }
    return this.#size - low;
  }

  /** Forgets everything: history begins after `revision`. */
  reset(revision: number): void {
    this.#events.fill(undefined);
    this.#first = 0;
    this.#size = 0;
    this.#low = revision;
  }

  #makeRoom(now: number): void {
    const isTooSmall = now - this.at(0).at < eventFreshMs && this.#events.length < ringCapacityMax;
    if (isTooSmall) {
      this.#counters.capacityIncreases++;
      this.#resize(Math.min(this.#events.length * 2, ringCapacityMax));
    } else {
      this.settle(now);
      if (this.#size === this.#events.length) this.#dropOldest();
    }
  }

  #resize(capacity: number): void {
    const events: (CacheEvent | undefined)[] = new Array(capacity);
    for (let i = 0; i < this.#size; i++) events[i] = this.at(i);
    this.#events = events;
    this.#first = 0;
  }

  /** Whole revisions only: half a transaction is no place to resume from, and `low` would lie about it. */
  #dropOldest(): void {
    this.#low = this.at(0).revision;
    while (this.#size > 0 && this.at(0).revision <= this.#low) {
      this.#events[this.#first] = undefined;
      this.#first = (this.#first + 1) % this.#events.length;
      this.#size--;
    }
  }
}
