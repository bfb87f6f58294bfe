/**
 * How far this server has followed the store, and who waits for it to come further. `applied` is global: every event
 * under the watched prefix up to it is in the caches.
 */
import type { Clock, Timer } from '#base/clock.ts';

interface Waiter {
  revision: number;
  resolve(reached: boolean): void;
  timer: Timer;
}

/** On a store that writes only elsewhere no event comes: after this long the watch is asked for its progress. */
const progressAfterMs = 20;
const progressEveryMs = 100;

export class StoreRevision {
  #applied = 0;
  /** The newest that a read round the caches has shown somebody: no read of any age may show less after it. */
  #told = 0;
  #waiters = new Set<Waiter>();
  #nudge: Timer | undefined;
  readonly #clock: Clock;
  readonly #requestProgress: () => void;

  constructor(clock: Clock, requestProgress: () => void) {
    this.#clock = clock;
    this.#requestProgress = requestProgress;
  }

  get applied(): number {
    return this.#applied;
  }

  /** A read straight from the store was answered with the state at this revision. */
  told(revision: number): void {
    if (revision > this.#told) this.#told = revision;
  }

  /** The caches show all that was ever shown. */
  get isPastTold(): boolean {
    return this.#applied >= this.#told;
  }

  advance(revision: number): void {
    if (revision > this.#applied) this.#applied = revision;
    if (this.#waiters.size > 0) this.#wake();
  }

  /** Another store: revisions begin anew. */
  reset(): void {
    this.#applied = 0;
    this.#told = 0;
  }

  /** False when the time is over, or the signal aborts, before the revision is applied. */
  reach(revision: number, boundMs: number, signal?: AbortSignal): Promise<boolean> {
    if (this.#applied >= revision) return Promise.resolve(true);
    if (signal?.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const give = () => waiter.resolve(false);
      const waiter: Waiter = {
        revision,
        timer: this.#clock.setTimer(boundMs, give),
        resolve: (reached) => {
          waiter.timer.cancel();
          signal?.removeEventListener('abort', give);
          this.#waiters.delete(waiter);
          resolve(reached);
        },
      };
      signal?.addEventListener('abort', give, { once: true });
      this.#waiters.add(waiter);
      this.#nudge ??= this.#clock.setTimer(progressAfterMs, this.#onNudge);
    });
  }

  /** Lets everyone go: the server stops. */
  close(): void {
    for (const waiter of [...this.#waiters]) waiter.resolve(false);
    this.#nudge?.cancel();
    this.#nudge = undefined;
  }

  #onNudge = (): void => {
    this.#nudge = undefined;
    if (this.#waiters.size === 0) return;
    this.#requestProgress();
    this.#nudge = this.#clock.setTimer(progressEveryMs, this.#onNudge);
  };

  #wake(): void {
    for (const waiter of this.#waiters) {
      if (waiter.revision <= this.#applied) waiter.resolve(true);
    }
    if (this.#waiters.size > 0) return;
    this.#nudge?.cancel();
    this.#nudge = undefined;
  }
}
