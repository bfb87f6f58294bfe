import type { Clock } from '#base/clock.ts';
import type { EtcdKv, RangeResponse } from '../etcd3/kv.ts';

/**
 * The store's revision now, for reads that must see every write acknowledged before they began. Reads share the
 * question, but never one that was already on its way when they came: that one may have been answered before the
 * write they must see. So at most two rounds exist: the one in flight, and the one all newcomers wait for. The time
 * of a round counts from when the first of its readers came, so that nobody waits for two rounds' time.
 */
export class CurrentRevision {
  readonly #ask: (boundMs: number) => Promise<number>;
  readonly #clock: Clock;
  readonly #boundMs: number;
  #inFlight: Promise<number> | undefined;
  #next: Promise<number> | undefined;
  /** Monotonic: when the first of those who wait for the next round came. */
  #nextSince = 0;

  constructor(ask: (boundMs: number) => Promise<number>, clock: Clock, boundMs: number) {
    this.#ask = ask;
    this.#clock = clock;
    this.#boundMs = boundMs;
  }

  read(): Promise<number> {
    if (this.#inFlight === undefined) return this.#start(this.#boundMs);
    if (this.#next === undefined) {
      this.#next = this.#inFlight.then(this.#startNext, this.#startNext);
      this.#nextSince = this.#clock.monotonic();
    }
    return this.#next;
  }

  #startNext = (): Promise<number> => {
    this.#next = undefined;
    const waitedMs = this.#clock.monotonic() - this.#nextSince;
    return this.#inFlight ?? this.#start(Math.max(0, this.#boundMs - waitedMs));
  };

  #start(boundMs: number): Promise<number> {
    const done = () => {
      if (this.#inFlight === round) this.#inFlight = undefined;
    };
    const round = this.#ask(boundMs);
    this.#inFlight = round;
    round.then(done, done);
    return round;
  }
}

/** The cheapest linearizable request there is. The key exists nowhere; the header is what is asked for. */
export function readHeader(kv: EtcdKv, prefix: string, signal?: AbortSignal): Promise<RangeResponse> {
  return kv.range({ key: `${prefix}\0`, countOnly: true }, signal);
}
