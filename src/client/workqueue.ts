/**
 * client-go's rate-limited work queue: a key is handed to one worker at a time; adding it meanwhile makes it come
 * again; failures come back with exponential back-off. rate-limiting-queue.ts makes one; controllers see only this.
 */
export interface WorkQueue {
  add(key: string): void;
  addAfter(key: string, delayMs: number): void;
  /** With back-off 5 ms · 2^failures, at most 1000 s. */
  addRateLimited(key: string): void;
  /** The key succeeded: forget its failures. */
  forget(key: string): void;
  readonly length: number;
  /**
   * Calls `sync` for each key with at most `workers` at once, until the signal aborts. A rejection is logged and the
   * key comes back rate-limited; a resolution forgets its failures; a number asks to be called again after that many ms.
   */
  process(
    workers: number,
    sync: (key: string) => Promise<number | undefined | void>,
    signal: AbortSignal,
  ): Promise<void>;
}
