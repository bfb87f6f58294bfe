import type { Clock, Timer } from '#base/clock.ts';
import type { KvEvent } from '../etcd3/kv.ts';

/** So long may events be delivered in one go before requests get their turn. */
const budgetMs = 8;
const eventsBetweenLooks = 32;
/** Beyond this the stream is closed and resumed later: the store keeps the events better than our memory does. */
const queuedEventsMax = 100_000;

type Item = readonly KvEvent[] | number;

/**
 * Between the stream and the caches: delivers at once while that is quick, and in slices when a burst comes. A
 * revision is never split: all its events are applied, and then it is announced, without anyone in between.
 */
export class EventQueue {
  readonly #clock: Clock;
  readonly #apply: (event: KvEvent) => void;
  readonly #advance: (revision: number) => void;
  /** Events, or a revision up to which there are no more. */
  #items: Item[] = [];
  #head = 0;
  /** Index in the head item. */
  #at = 0;
  #queuedEvents = 0;
  #scheduled: Timer | undefined;

  constructor(clock: Clock, apply: (event: KvEvent) => void, advance: (revision: number) => void) {
    this.#clock = clock;
    this.#apply = apply;
    this.#advance = advance;
  }

  get isFull(): boolean {
    return this.#queuedEvents >= queuedEventsMax;
  }

  pushEvents(events: readonly KvEvent[]): void {
    this.#queuedEvents += events.length;
    this.#push(events);
  }

  pushProgress(revision: number): void {
    this.#push(revision);
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
    this.#at = 0;
    this.#queuedEvents = 0;
    this.#scheduled?.cancel();
    this.#scheduled = undefined;
  }

  #push(item: Item): void {
    this.#items.push(item);
    if (this.#scheduled === undefined) this.#deliver();
  }

  #deliver = (): void => {
    this.#scheduled = undefined;
    const end = this.#clock.monotonic() + budgetMs;
    let untilLook = eventsBetweenLooks;
    while (this.#head < this.#items.length) {
      untilLook -= this.#deliverRevision(this.#items[this.#head]!);
      if (untilLook > 0) continue;
      if (this.#clock.monotonic() >= end) {
        this.#scheduled = this.#clock.soon(this.#deliver);
        return;
      }
      untilLook = eventsBetweenLooks;
    }
    this.#items = [];
    this.#head = 0;
  };

  /** The next whole revision of the item; returns how many events it had. */
  #deliverRevision(item: Item): number {
    if (typeof item === 'number') {
      this.#head++;
      this.#advance(item);
      return 0;
    }
    const start = this.#at;
    const revision = item[start]!.kv.modRevision;
    let i = start;
    for (; i < item.length && item[i]!.kv.modRevision === revision; i++) this.#apply(item[i]!);
    this.#queuedEvents -= i - start;
    if (i === item.length) {
      this.#head++;
      this.#at = 0;
    } else {
      this.#at = i;
    }
    this.#advance(revision);
    return i - start;
  }
}
