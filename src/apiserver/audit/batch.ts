/**
 * Mode `batch`: events wait here, and go on together when there are enough of them or the first has waited long enough.
 * A full buffer takes no more: those events are lost, and counted; a request never waits.
 */
import { type Clock, sleep, type Timer } from '#base/clock.ts';

export interface BatchOptions {
  /** Events that wait at most. */
  bufferSize: number;
  /** As soon as so many wait, they go. */
  maxBatchSize: number;
  /** Fewer go after this long; 0: at once. */
  maxBatchWaitMs: number;
  /** Batches a second on average, and at one moment; undefined: as fast as they come. */
  throttle: { qps: number; burst: number } | undefined;
}

export interface BatchTarget {
  /** Never rejects: what is lost it counts itself. */
  send(batch: string[]): Promise<void>;
  /** Batches under way at once. */
  concurrency: number;
  /** More than a batch may go at once, where batches have no form of their own. */
  takeMax: number;
  /** What goes at once, unless it is one event. */
  takeBytesMax: number;
  /** How long what is due waits for more to go with it, unless there is as much as goes at once. */
  gatherMs: number;
}

/** All waiting events together: the events' number alone would not bound the memory. */
export const bufferBytesMax = 64 * 1024 * 1024;

export class Batch {
  readonly #options: BatchOptions;
  readonly #target: BatchTarget;
  readonly #clock: Clock;
  #waiting: string[] = [];
  #waitingBytes = 0;
  #underWay = 0;
  #timer: Timer | undefined = undefined;
  /** The first of those waiting has waited long enough. */
  #isDue = false;
  #isClosing = false;
  #tokens: number;
  #filledAt: number;
  #onIdle: (() => void) | undefined = undefined;

  constructor(options: BatchOptions, target: BatchTarget, clock: Clock) {
    this.#options = options;
    this.#target = target;
    this.#clock = clock;
    this.#tokens = options.throttle?.burst ?? 0;
    this.#filledAt = clock.monotonic();
  }

  /** False: the buffer is full. */
  add(event: string): boolean {
    if (this.#isClosing || this.#waiting.length >= this.#options.bufferSize) return false;
    if (this.#waitingBytes + event.length > bufferBytesMax) return false;
    this.#waiting.push(event);
    this.#waitingBytes += event.length;
    if (!this.#timer) this.#schedule();
    else if (this.#waiting.length === this.#options.maxBatchSize || this.#waiting.length === this.#target.takeMax)
      this.#schedule();
    return true;
  }

  /** Sends what waits, for `boundMs` at most; how many events were left behind. */
  async close(boundMs: number): Promise<number> {
    this.#isClosing = true;
    this.#schedule();
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      this.#tellIdle();
    });
    await Promise.race([idle, sleep(this.#clock, boundMs)]);
    this.#timer?.cancel();
    return this.#waiting.length;
  }

  /** When the next batch goes. `soon`, not now: the events of one turn go together, behind the answers. */
  #schedule(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#waiting.length === 0 || this.#underWay >= this.#target.concurrency) return;
    const { maxBatchSize, maxBatchWaitMs } = this.#options;
    this.#isDue ||= this.#isClosing || maxBatchWaitMs === 0 || this.#waiting.length >= maxBatchSize;
    if (!this.#isDue) {
      this.#timer = this.#clock.setTimer(maxBatchWaitMs, () => {
        this.#isDue = true;
        this.#schedule();
      });
      return;
    }
    const { takeMax, gatherMs } = this.#target;
    const delayMs = this.#isClosing ? 0 : Math.max(this.#throttleMs(), this.#waiting.length < takeMax ? gatherMs : 0);
    const go = () => {
      this.#timer = undefined;
      this.#go();
    };
    this.#timer = delayMs > 0 ? this.#clock.setTimer(delayMs, go) : this.#clock.soon(go);
  }

  #go(): void {
    if (this.#options.throttle) this.#tokens--;
    const batch = this.#take();
    this.#isDue = false;
    this.#underWay++;
    this.#target.send(batch).then(() => {
      this.#underWay--;
      this.#schedule();
      this.#tellIdle();
    });
    this.#schedule();
  }

  #take(): string[] {
    const { takeMax, takeBytesMax } = this.#target;
    const countMax = Math.min(this.#waiting.length, Math.max(this.#options.maxBatchSize, takeMax));
    let count = 0;
    let bytes = 0;
    while (count < countMax && (count === 0 || bytes + this.#waiting[count]!.length <= takeBytesMax))
      bytes += this.#waiting[count++]!.length;
    this.#waitingBytes -= bytes;
    return this.#waiting.splice(0, count);
  }

  #tellIdle(): void {
    if (this.#waiting.length === 0 && this.#underWay === 0) this.#onIdle?.();
  }

  /** Until there is a token; 0: there is one. */
  #throttleMs(): number {
    const throttle = this.#options.throttle;
    if (!throttle) return 0;
    const now = this.#clock.monotonic();
    this.#tokens = Math.min(throttle.burst, this.#tokens + ((now - this.#filledAt) / 1000) * throttle.qps);
    this.#filledAt = now;
    return this.#tokens >= 1 ? 0 : Math.ceil(((1 - this.#tokens) / throttle.qps) * 1000);
  }
}
