/** How many seats a priority level wanted (in use and waited for) over a period: integrated over time, no samples. */
import type { Clock } from '#base/clock.ts';

export interface DemandSummary {
  average: number;
  deviation: number;
  max: number;
}

export class SeatDemand {
  readonly #clock: Clock;
  #value = 0;
  #max = 0;
  #since: number;
  #lastAt: number;
  #integral = 0;
  #integralOfSquares = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#since = this.#lastAt = clock.monotonic();
  }

  get current(): number {
    return this.#value;
  }

  set(value: number): void {
    if (value === this.#value) return;
    this.#integrate();
    this.#value = value;
    if (value > this.#max) this.#max = value;
  }

  /** Of the time since the last call; a new period begins. */
  take(): DemandSummary {
    this.#integrate();
    const ms = this.#lastAt - this.#since;
    const average = ms > 0 ? this.#integral / ms : this.#value;
    const variance = ms > 0 ? this.#integralOfSquares / ms - average * average : 0;
    const summary = { average, deviation: Math.sqrt(Math.max(0, variance)), max: this.#max };
    this.#since = this.#lastAt;
    this.#integral = 0;
    this.#integralOfSquares = 0;
    this.#max = this.#value;
    return summary;
  }

  #integrate(): void {
    const now = this.#clock.monotonic();
    const ms = now - this.#lastAt;
    this.#lastAt = now;
    this.#integral += this.#value * ms;
    this.#integralOfSquares += this.#value * this.#value * ms;
  }
}
