/**
 * Lets the store forget old revisions. Every API server of a cluster runs this, ours or upstream's, and one of them
 * compacts in each interval: whoever finds the version of `compact_rev_key` where it left it. What is compacted is the
 * revision of an interval ago, so each client has that long to come back to where it was.
 */
import { type Clock, sleep } from '#base/clock.ts';
import { messageOf } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import { storeDeadlineMs, withDeadline } from './deadline.ts';
import { type EtcdKv, KvError, type KvOperation } from './kv.ts';

/** Beside the prefix, not under it: all who share the store share it. Its value: the compacted revision in decimal. */
export const compactRevKey = 'compact_rev_key';

export interface CompactorOptions {
  kv: EtcdKv;
  clock: Clock;
  log: Logger;
  /** 0: never. */
  intervalMs: number;
}

export class Compactor {
  readonly #options: CompactorOptions;
  /** The version of the key when it was last seen; whoever writes it counts it up. */
  #time = 0;
  /** The store's revision then; 0 before the first look. */
  #revision = 0;

  constructor(options: CompactorOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, intervalMs } = this.#options;
    if (intervalMs === 0) return;
    for (;;) {
      await sleep(clock, intervalMs, signal);
      if (signal.aborted) return;
      try {
        const compacted = await withDeadline(clock, storeDeadlineMs, signal, (s) => this.round(s));
        if (compacted > 0) log.debug({ revision: compacted }, 'compacted the store');
      } catch (error) {
        if (!signal.aborted) log.warn({ error: messageOf(error) }, 'could not compact the store');
      }
    }
  }

  /** What is done once in an interval: the revision that was compacted; 0 when it was another's turn. */
  async round(signal: AbortSignal): Promise<number> {
    const { kv } = this.#options;
    const due = this.#revision;
    const turn = await this.#takeTurn(signal);
    this.#time = turn.time;
    this.#revision = turn.revision;
    if (!turn.isOurs || due === 0) return 0;
    try {
      await kv.compact(due, signal);
    } catch (error) {
      // Somebody else went further.
      if (!(error instanceof KvError && error.kind === 'compacted')) throw error;
    }
    return due;
  }

  async #takeTurn(signal: AbortSignal): Promise<{ isOurs: boolean; time: number; revision: number }> {
    const { kv } = this.#options;
    const time = this.#time;
    const put: KvOperation = { type: 'put', key: compactRevKey, value: Buffer.from(String(this.#revision)) };
    try {
      const response = await kv.txn(
        {
          compare: [{ key: compactRevKey, version: time }],
          success: [put],
          failure: [{ type: 'range', key: compactRevKey }],
        },
        signal,
      );
      if (response.succeeded) return { isOurs: true, time: time + 1, revision: response.revision };
      return { isOurs: false, time: response.ranges[0]?.[0]?.version ?? 0, revision: response.revision };
    } catch (error) {
      if (!(error instanceof KvError && error.kind === 'noSpace')) throw error;
      // A full store takes no turns, and needs compaction most. Each server then compacts; more often does no harm.
      return { isOurs: true, time, revision: (await kv.range({ key: compactRevKey }, signal)).revision };
    }
  }
}
