/** Exponential back-off with full-range jitter: between half and all of `initialMs · 2^n`, never above `maxMs`. */
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
    const full = Math.min(this.#maxMs, this.#initialMs * 2 ** Math.min(this.#failures++, 30));
    return full * (0.5 + this.#random() / 2);
  }

  reset(): void {
    this.#failures = 0;
  }
}
