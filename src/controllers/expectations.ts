/**
 * What a controller has asked for and its informer has not shown yet. Until it has, a sync would count wrongly and
 * create or delete twice. An expectation that is never met (an event was lost with a relist) lapses.
 */
import type { Clock } from '#base/clock.ts';

const lapseMs = 5 * 60_000;

interface Pending {
  creations: number;
  deletions: Set<string>;
  since: number;
}

export class Expectations {
  readonly #clock: Clock;
  readonly #byKey = new Map<string, Pending>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  satisfied(key: string): boolean {
    return this.lapsesInMs(key) === undefined;
  }

  /** How long until the unmet expectation is given up; undefined when there is none. */
  lapsesInMs(key: string): number | undefined {
    const pending = this.#byKey.get(key);
    if (!pending || (pending.creations <= 0 && pending.deletions.size === 0)) return undefined;
    const left = pending.since + lapseMs - this.#clock.monotonic();
    return left > 0 ? left : undefined;
  }

  expectCreations(key: string, count: number): void {
    this.#byKey.set(key, { creations: count, deletions: new Set(), since: this.#clock.monotonic() });
  }

  expectDeletions(key: string, uids: readonly string[]): void {
    this.#byKey.set(key, { creations: 0, deletions: new Set(uids), since: this.#clock.monotonic() });
  }

  /** Seen, or known never to come. */
  creationObserved(key: string, count = 1): void {
    const pending = this.#byKey.get(key);
    if (pending) pending.creations -= count;
  }

  deletionObserved(key: string, uid: string): void {
    this.#byKey.get(key)?.deletions.delete(uid);
  }

  forget(key: string): void {
    this.#byKey.delete(key);
  }
}
