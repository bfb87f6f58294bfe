import type { EtcdKv, RangeResponse } from '../etcd3/kv.ts';

/**
 * The store's revision now, for reads that must see every write acknowledged before they began. Reads share the
 * question, but never one that was already on its way when they came: that one may have been answered before the
 * write they must see. So at most two rounds exist: the one in flight, and the one all newcomers wait for.
 */
export class CurrentRevision {
  readonly #ask: () => Promise<number>;
  #inFlight: Promise<number> | undefined;
  #next: Promise<number> | undefined;

  constructor(ask: () => Promise<number>) {
    this.#ask = ask;
  }

  read(): Promise<number> {
    if (this.#inFlight === undefined) return this.#start();
    this.#next ??= this.#inFlight.then(this.#startNext, this.#startNext);
    return this.#next;
  }

  #startNext = (): Promise<number> => {
    this.#next = undefined;
    return this.#inFlight ?? this.#start();
  };

  #start(): Promise<number> {
    const done = () => {
      if (this.#inFlight === round) this.#inFlight = undefined;
    };
    const round = this.#ask();
    this.#inFlight = round;
    round.then(done, done);
    return round;
  }
}

/** The cheapest linearizable request there is. The key exists nowhere; the header is what is asked for. */
export function readHeader(kv: EtcdKv, prefix: string, signal?: AbortSignal): Promise<RangeResponse> {
  return kv.range({ key: `${prefix}\0`, countOnly: true }, signal);
}
