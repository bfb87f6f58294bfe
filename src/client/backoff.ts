/**
 * Exponential back-off with jitter: between half and all of `initialMs · 1.5^n`, never above `maxMs`. It grows slowly, so
 * that what was away for a few seconds is found again soon after it is back.
 */
export class Backoff {
  #initialMs: number;
  #maxMs: number;
  #random: () => number;
  #failures = 0;

  constructor(initialMs: number, maxMs: number, random: () => number) {
    this.#initialMs = initialMs;
    this.#maxMs = maxMs;
    this.#random = random;
  }

  nextMs(): number {
    const full = Math.min(this.#maxMs, this.#initialMs * growth ** Math.min(this.#failures++, 60));
    return full * (0.5 + this.#random() / 2);
  }

  reset(): void {
    this.#failures = 0;
  }
}

const growth = 1.5;
