/** Not yet taken by a client's connection: beyond this a watch is cut off. */
export const watchBufferBytesMax = 4 * 1024 * 1024;
/** Of all watches together. */
const allBuffersBytesMax = 256 * 1024 * 1024;
/** What a watch may hold still when all together hold too much: those that keep up are left alone. */
const fairBytesMax = 256 * 1024;

/**
 * What all watches hold for clients that have not read it. Many that are a little slow may hold more than this process
 * has; then the slow ones are cut off sooner.
 */
export class WatchBuffers {
  bytes = 0;
  readonly #bytesMax: number;

  constructor(bytesMax: number = allBuffersBytesMax) {
    this.#bytesMax = bytesMax;
  }

  /** One watch's share changed. Returns whether it may go on. */
  changed(before: number, now: number): boolean {
    this.bytes += now - before;
    return now < (this.bytes > this.#bytesMax ? fairBytesMax : watchBufferBytesMax);
  }
}
