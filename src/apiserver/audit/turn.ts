/**
 * Modes `blocking` and `blocking-strict`: the events of one turn of the loop are written together, and all requests that
 * wait for them wait for that one write. Under load a system call for each would cost more than all the rest.
 */
import type { Clock, Timer } from '#base/clock.ts';

/** Gathered no further: written at once. */
const turnBytesMax = 1024 * 1024;
/** An event that nobody waits for is written with the next one that is waited for, or after this. */
const idleMs = 2;

export class Turn {
  readonly #send: (events: string[]) => boolean | Promise<boolean>;
  readonly #clock: Pick<Clock, 'soon' | 'setTimer'>;
  #events: string[] = [];
  #bytes = 0;
  /** Of the events gathered now. */
  #written: Promise<boolean> | undefined = undefined;
  #idle: Timer | undefined = undefined;
  #resolve: (written: boolean | Promise<boolean>) => void = () => {};

  /** `send` never throws: false if it could not. */
  constructor(send: (events: string[]) => boolean | Promise<boolean>, clock: Pick<Clock, 'soon' | 'setTimer'>) {
    this.#send = send;
    this.#clock = clock;
  }

  /** Resolves when it is written, or could not be. */
  add(event: string): Promise<boolean> {
    this.#push(event);
    if (!this.#written) {
      this.#written = new Promise((resolve) => {
        this.#resolve = resolve;
      });
      this.#clock.soon(() => this.flush());
    }
    const written = this.#written;
    if (this.#bytes >= turnBytesMax) this.flush();
    return written;
  }

  /** Written before whatever is added later, and soon. */
  addBehind(event: string): void {
    this.#push(event);
    if (this.#bytes >= turnBytesMax) this.flush();
    else if (!this.#written) this.#idle ??= this.#clock.setTimer(idleMs, () => this.flush());
  }

  flush(): void {
    this.#idle?.cancel();
    this.#idle = undefined;
    if (this.#events.length === 0) return;
    const events = this.#events;
    this.#events = [];
    this.#bytes = 0;
    const written = this.#send(events);
    if (this.#written) this.#resolve(written);
    this.#written = undefined;
  }

  #push(event: string): void {
    this.#events.push(event);
    this.#bytes += event.length;
  }
}
