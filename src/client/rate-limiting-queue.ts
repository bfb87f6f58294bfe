import { isStatusError } from '#apimachinery/status-error.ts';
import type { Clock, Timer } from '#base/clock.ts';
import { messageOf } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { WorkQueue } from './workqueue.ts';

export interface WorkQueueOptions {
  name: string;
  clock: Clock;
  log: Logger;
}

const backoffInitialMs = 5;
const backoffMaxMs = 1_000_000;

/**
 * The WorkQueue. A key is in at most one place: waiting (`#ready`), in work (`#working`, and in `#again` when it was
 * added meanwhile); so its length is bounded by the number of objects. Timers hold keys that come later.
 */
export function createWorkQueue(options: WorkQueueOptions): WorkQueue {
  return new RateLimitingQueue(options);
}

class RateLimitingQueue implements WorkQueue {
  #name: string;
  #clock: Clock;
  #log: Logger;
  /** A Set keeps the order in which keys came. */
  #ready = new Set<string>();
  #working = new Set<string>();
  #again = new Set<string>();
  #later = new Map<string, { at: number; timer: Timer }>();
  #failures = new Map<string, number>();
  #wake: () => void = () => {};

  constructor({ name, clock, log }: WorkQueueOptions) {
    this.#name = name;
    this.#clock = clock;
    this.#log = log;
  }

  get length(): number {
    return this.#ready.size;
  }

  add(key: string): void {
    if (this.#working.has(key)) {
      this.#again.add(key);
      return;
    }
    if (this.#ready.has(key)) return;
    this.#ready.add(key);
    this.#wake();
  }

  addAfter(key: string, delayMs: number): void {
    if (delayMs <= 0) {
      this.add(key);
      return;
    }
    const at = this.#clock.monotonic() + delayMs;
    const pending = this.#later.get(key);
    if (pending && pending.at <= at) return;
    pending?.timer.cancel();
    const timer = this.#clock.setTimer(delayMs, () => {
      this.#later.delete(key);
      this.add(key);
    });
    this.#later.set(key, { at, timer });
  }

  addRateLimited(key: string): void {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    this.addAfter(key, Math.min(backoffMaxMs, backoffInitialMs * 2 ** Math.min(failures, 30)));
  }

  forget(key: string): void {
    this.#failures.delete(key);
  }

  async process(
    workers: number,
    sync: (key: string) => Promise<number | undefined | void>,
    signal: AbortSignal,
  ): Promise<void> {
    await new Promise<void>((resolve) => {
      const pump = () => {
        while (!signal.aborted && this.#working.size < workers && this.#ready.size > 0) {
          const key = this.#ready.values().next().value!;
          this.#ready.delete(key);
          this.#working.add(key);
          void this.#work(key, sync).then(pump);
        }
        if (signal.aborted && this.#working.size === 0) resolve();
      };
      this.#wake = pump;
      signal.addEventListener('abort', pump, { once: true });
      pump();
    });
    this.#wake = () => {};
    for (const { timer } of this.#later.values()) timer.cancel();
    this.#later.clear();
  }

  async #work(key: string, sync: (key: string) => Promise<number | undefined | void>): Promise<void> {
    try {
      const againMs = await sync(key);
      this.forget(key);
      if (typeof againMs === 'number') this.addAfter(key, againMs);
    } catch (error) {
      // Somebody else was quicker: the daily bread of optimistic updates.
      const level = isStatusError(error, 'Conflict') ? 'debug' : 'warn';
      this.#log[level]({ queue: this.#name, key, error: messageOf(error) }, 'sync failed: trying again later');
      this.addRateLimited(key);
    }
    this.#working.delete(key);
    if (this.#again.delete(key)) this.#ready.add(key);
  }
}
