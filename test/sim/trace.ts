import { crc32 } from 'node:zlib';

/** What happened, as one number to compare and, when asked for, as lines to read. */
export class Trace {
  /** Collected when `isKept`. */
  readonly lines: string[] = [];
  readonly isKept: boolean;
  /** The lines' time. */
  now: () => number = () => 0;
  #hash = 0x811c9dc5;

  constructor(isKept = false) {
    this.isKept = isKept;
  }

  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0');
  }

  step(lane: number, now: number): void {
    this.#mix(lane);
    this.#mix(now);
  }

  number(value: number): void {
    this.#mix(value);
  }

  bytes(bytes: Uint8Array): void {
    this.#mix(crc32(bytes));
  }

  /** `what` is part of the hash: no object identities, no times but virtual ones. */
  note(who: string, what: string): void {
    this.#mix(crc32(what));
    if (this.isKept) this.lines.push(`${String(this.now()).padStart(8)} ms  ${who.padEnd(10)} ${what}`);
  }

  /** Only to read. */
  detail(who: string, what: () => string): void {
    if (this.isKept) this.lines.push(`${String(this.now()).padStart(8)} ms  ${who.padEnd(10)} ${what()}`);
  }

  #mix(value: number): void {
    this.#hash = Math.imul(this.#hash ^ value, 0x01000193);
    this.#hash ^= this.#hash >>> 15;
  }
}
