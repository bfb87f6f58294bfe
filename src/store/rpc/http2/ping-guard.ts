/**
 * Who pings too often is cut off, by etcd's rules (grpc-go's keep-alive enforcement with etcd's settings): not more often
 * than every five seconds, and without a stream hardly ever; two strikes are forgiven, and all of them when an answer
 * was sent meanwhile.
 */
import type { Clock } from '#base/clock.ts';

const intervalMinMs = 5000;
const intervalMinIdleMs = 2 * 60 * 60 * 1000;
const strikesMax = 2;

export class PingGuard {
  hasSentData = false;
  readonly #clock: Clock;
  #lastMs = Number.NEGATIVE_INFINITY;
  #strikes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  isTooMuch(hasStreams: boolean): boolean {
    const now = this.#clock.monotonic();
    const since = now - this.#lastMs;
    this.#lastMs = now;
    if (this.hasSentData) {
      this.hasSentData = false;
      this.#strikes = 0;
      return false;
    }
    if (since < (hasStreams ? intervalMinMs : intervalMinIdleMs)) this.#strikes++;
    return this.#strikes > strikesMax;
  }
}
