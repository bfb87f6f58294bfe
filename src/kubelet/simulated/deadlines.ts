import type { Clock, Timer } from '#base/clock.ts';

/** Keys that fall due, any number of them with one timer. */
export class Deadlines {
  #clock: Clock;
  #onDue: (key: string) => void;
  /** By time, the latest first, so that the next one is at the end. */
  #entries: { at: number; key: string }[] = [];
  #timer: Timer | undefined;

  constructor(clock: Clock, onDue: (key: string) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  add(key: string, delayMs: number): void {
    const at = this.#clock.monotonic() + Math.max(0, delayMs);
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#entries[middle]!.at > at) low = middle + 1;
      else high = middle;
    }
    this.#entries.splice(low, 0, { at, key });
    if (low === this.#entries.length - 1) this.#arm();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#entries = [];
  }

  #arm(): void {
    this.#timer?.cancel();
    const next = this.#entries.at(-1);
    if (next) this.#timer = this.#clock.setTimer(Math.max(0, next.at - this.#clock.monotonic()), this.#fire);
  }

  #fire = (): void => {
    const now = this.#clock.monotonic();
    while (this.#entries.length > 0 && this.#entries.at(-1)!.at <= now) this.#onDue(this.#entries.pop()!.key);
    this.#arm();
  };
}
