/**
 * The one place where the store changes. Requests that arrive while a commit is being synced wait, and then share the
 * next one. A request is answered only when its transaction is on the disk; until then nothing else reads, so nobody
 * ever sees a state that a power cut could take back. The sync runs off the main thread (docs/adr/0003).
 *
 * Worst outcome: a commit or sync that fails leaves memory ahead of the disk. Then the process must end (`onFatal`),
 * and its successor starts from what is on the disk.
 */
import { type Clock, nextTurn } from '#base/clock.ts';
import { errors, StoreError } from '../store-error.ts';
import type { Database } from './database.ts';

/** Requests that share one commit; the rest wait for the one after. */
const batchRequestsMax = 1024;

/** Requests that may wait for a commit, and readers for its end; more are refused, as etcd does. */
const waitingMax = 20_000;

interface Pending {
  apply: () => unknown;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
  outcome: unknown;
}

export class GroupCommit {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #onFatal: (error: Error) => void;
  /** Runs after each commit that changed something, before its requests are answered. */
  readonly #onDurable: () => void;
  #queue: Pending[] = [];
  #readers: (() => void)[] = [];
  #isScheduled = false;
  #isSyncing = false;
  #isDirty = false;
  #isClosed = false;
  #hasFailed = false;
  commits = 0;

  constructor(database: Database, clock: Clock, onDurable: () => void, onFatal: (error: Error) => void) {
    this.#database = database;
    this.#clock = clock;
    this.#onDurable = onDurable;
    this.#onFatal = onFatal;
  }

  /**
   * Runs `apply` within the next transaction, and resolves to its result once that is durable. It may refuse by
   * throwing a StoreError, provided it has changed nothing yet.
   */
  submit<T>(apply: () => T): Promise<T> {
    if (this.#isClosed) return Promise.reject(errors.stopping());
    if (this.#queue.length >= waitingMax) return Promise.reject(errors.tooManyRequests());
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ apply, resolve: resolve as (value: unknown) => void, reject, outcome: undefined });
      this.#schedule();
    });
  }

  /** Every change made so far is durable, and `read` (which must be synchronous) may show it. */
  read<T>(read: () => T): T | Promise<T> {
    // What memory holds beyond the disk is nobody's to see.
    if (this.#hasFailed) return Promise.reject(errors.stopping());
    if (!this.#isSyncing) return read();
    if (this.#readers.length >= waitingMax) return Promise.reject(errors.tooManyRequests());
    return new Promise<T>((resolve, reject) => {
      this.#readers.push(() => {
        try {
          resolve(read());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  /** Called by those who changed rows within `apply`: this transaction needs a sync. */
  markDirty(): void {
    this.#isDirty = true;
  }

  /** Takes nothing new, and resolves when all that was taken is durable. */
  async close(): Promise<void> {
    this.#isClosed = true;
    while (!this.#hasFailed && (this.#queue.length > 0 || this.#isSyncing)) await nextTurn(this.#clock);
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isSyncing) return;
    this.#isScheduled = true;
    this.#clock.soon(() => {
      this.#isScheduled = false;
      this.#commit();
    });
  }

  #commit(): void {
    if (this.#queue.length === 0) return;
    const batch = this.#queue.length <= batchRequestsMax ? this.#queue : this.#queue.slice(0, batchRequestsMax);
    this.#queue = batch === this.#queue ? [] : this.#queue.slice(batchRequestsMax);
    const done: Pending[] = [];
    this.#isDirty = false;
    try {
      this.#database.begin();
      for (const request of batch) {
        try {
          request.outcome = request.apply();
          done.push(request);
        } catch (error) {
          if (!(error instanceof StoreError)) throw error;
          request.reject(error);
        }
      }
      this.#database.commit();
    } catch (error) {
      this.#fail(error as Error);
      return;
    }
    if (!this.#isDirty) {
      this.#finish(done);
      return;
    }
    this.#isSyncing = true;
    this.commits++;
    const isAlone = batch.length === 1 && this.#queue.length === 0;
    this.#database.sync((error) => {
      if (error) {
        this.#fail(error);
        return;
      }
      this.#isSyncing = false;
      try {
        this.#onDurable();
      } catch (failure) {
        this.#fail(failure as Error);
        return;
      }
      this.#finish(done);
    }, isAlone);
  }

  #finish(done: Pending[]): void {
    for (const request of done) request.resolve(request.outcome);
    const readers = this.#readers;
    this.#readers = [];
    for (const reader of readers) reader();
    if (this.#queue.length > 0) this.#schedule();
  }

  /** The requests get no answer: whether they were applied is for the next process to say. */
  #fail(error: Error): void {
    this.#hasFailed = true;
    this.#isClosed = true;
    this.#queue = [];
    this.#onFatal(error);
  }
}
