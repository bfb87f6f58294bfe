/**
 * Writes of one resource: optimistic transactions on the mod revision. The outcome of a write whose answer was lost is
 * found out, never guessed: no error for what was applied, no success for what was not. Only when the store stays
 * away until the deadline is the client told that the outcome is unknown (Timeout).
 */

import type { KubeObject } from '#apimachinery/object.ts';
import { isStatusError } from '#apimachinery/status-error.ts';
import { type Clock, sleep } from '#base/clock.ts';
import type { ResourceCodec, WriteOptions } from '../storage.ts';
import { withDeadline } from './deadline.ts';
import { decodeEntry, type Entry, restampEntry } from './entry.ts';
import { Fence } from './fence.ts';
import {
  type EtcdKv,
  type KeyValue,
  KvError,
  type KvOperation,
  type RangeResponse,
  type TxnRequest,
  type TxnResponse,
} from './kv.ts';
import type { Leases } from './leases.ts';
import { toStatusError } from './store-errors.ts';
import { Write, WritesUnderWay } from './writes-under-way.ts';

const writeDeadlineMs = 30_000;
const retryAfterLostAnswerMs = 50;

/** What this server has seen of the resource: the first guess of an update, and witness of what became of a write. */
export interface ResourceView {
  get(key: string): Entry | undefined;
  /** A write was acknowledged; its event is still to come. */
  handOver(entry: Entry): void;
  /** Every event up to this revision of the store has been seen. */
  applied(): number;
  /** What happened to the key after `since`; waits a while for the view to reach `upTo`. */
  history(key: string, since: number, upTo: number): Promise<ViewedHistory>;
}

export interface ViewedHistory {
  /** In order. */
  events: ViewedEvent[];
  /** None after `since` is missing at the beginning. */
  isFromStart: boolean;
  /** None up to `upTo` is missing at the end. */
  isToEnd: boolean;
}

export interface ViewedEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  revision: number;
  entry: Entry;
  previous: Entry | undefined;
}

export interface WriterOptions {
  kv: EtcdKv;
  clock: Clock;
  codec: ResourceCodec;
  view: ResourceView;
  leases: Leases;
  /** Of any key under the watched prefix: fences are of another resource. */
  decode(key: string, value: Buffer): KubeObject;
}

type Change = (
  current: KubeObject | undefined,
  revision: number,
) => Promise<KubeObject | undefined> | KubeObject | undefined;

type Outcome = { applied: number } | { found: KeyValue | undefined };
/** Of a write whose answer was lost. `not applied`: it may be tried again. */
type Verdict = Outcome | 'not applied' | 'unknown';

export class Writer {
  readonly #options: WriterOptions;
  readonly #underWay = new WritesUnderWay();

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  create(key: string, object: KubeObject, options: WriteOptions = {}): Promise<Entry | undefined> {
    return this.#run(options, async (signal, fence) => {
      const value = this.#options.codec.encode(object);
      const outcome = await this.#commit(new Write(key, value, 0, options.ttlSeconds, fence), signal);
      return 'applied' in outcome ? this.#written(key, value, outcome.applied) : undefined;
    });
  }

  guaranteedUpdate(key: string, change: Change, options: WriteOptions = {}): Promise<Entry | undefined> {
    return this.#run(options, async (signal, fence) => {
      let current = this.#options.view.get(key);
      let isFresh = current === undefined;
      if (isFresh) current = await this.#read(key, signal);
      for (;;) {
        const step = await this.#tryUpdate(key, current, isFresh, change, options, signal, fence);
        if (step.done) return step.entry;
        // The caller has been answered: `change` must not be asked again.
        if (signal.aborted) throw new KvError('timeout', 'gave up');
        current = step.found === 'read' ? await this.#read(key, signal) : this.#decode(step.found);
        isFresh = true;
      }
    });
  }

  /** One round: `found` is what the next starts from, `read` when it has to look. */
  async #tryUpdate(
    key: string,
    current: Entry | undefined,
    isFresh: boolean,
    change: Change,
    options: WriteOptions,
    signal: AbortSignal,
    fence: Fence | undefined,
  ): Promise<{ done: true; entry: Entry | undefined } | { done: false; found: KeyValue | undefined | 'read' }> {
    const base = current?.revision ?? 0;
    let next: KubeObject | undefined;
    try {
      next = await change(current?.object(), base);
    } catch (error) {
      if (isFresh) throw error;
      return { done: false, found: 'read' };
    }
    if (next === undefined && current === undefined) return { done: true, entry: undefined };
    // Should its answer be lost, a deletion is told by its base alone: one that had gone before must not be taken for it.
    if (next === undefined && !isFresh) return { done: false, found: 'read' };
    const value = next && this.#options.codec.encode(next);
    if (value && current && isSameState(this.#options.codec, current, value)) {
      return isFresh ? { done: true, entry: current } : { done: false, found: 'read' };
    }
    const outcome = await this.#commit(new Write(key, value, base, options.ttlSeconds, fence), signal);
    if ('found' in outcome) return { done: false, found: outcome.found };
    const entry = value ? this.#written(key, value, outcome.applied) : restampEntry(current!, outcome.applied);
    return { done: true, entry };
  }

  async #run<T>(
    options: WriteOptions,
    body: (signal: AbortSignal, fence: Fence | undefined) => Promise<T>,
  ): Promise<T> {
    const { clock, kv, decode } = this.#options;
    try {
      return await withDeadline(clock, writeDeadlineMs, options.signal, async (signal) => {
        const fence = options.fence && new Fence(options.fence, decode);
        await fence?.read(kv, signal);
        return body(signal, fence);
      });
    } catch (error) {
      throw isStatusError(error) ? error : toStatusError(error);
    }
  }

  async #commit(write: Write, signal: AbortSignal): Promise<Outcome> {
    this.#underWay.begin(write, this.#options.view.applied());
    try {
      return await this.#tryUntilKnown(write, signal);
    } finally {
      this.#underWay.end(write);
    }
  }

  async #tryUntilKnown(write: Write, signal: AbortSignal): Promise<Outcome> {
    const { kv, clock, leases } = this.#options;
    /** The store's own refusal of a repetition: what is told, if the first try was not applied. */
    let refusal: KvError | undefined;
    for (; ; await sleep(clock, retryAfterLostAnswerMs, signal)) {
      if (signal.aborted) throw new KvError('timeout', 'gave up', { maybeApplied: write.isLost });
      if (write.isLost) {
        const verdict = await this.#readBack(write, signal);
        if (verdict === 'unknown') continue;
        if (verdict !== 'not applied') return verdict;
        if (refusal) throw refusal;
      }
      let response: TxnResponse;
      try {
        const transaction = await this.#transaction(write);
        write.isSent = true;
        response = await kv.txn(transaction, signal);
      } catch (error) {
        if (!(error instanceof KvError)) throw error;
        if (error.kind === 'leaseNotFound') leases.forget(write.ttlSeconds ?? 0);
        else if (error.maybeApplied) write.isLost = true;
        else if (!write.isLost) throw error;
        else if (error.kind !== 'unavailable') refusal = error;
        continue;
      } finally {
        write.isSent = false;
      }
      if (response.succeeded) {
        this.#underWay.acknowledge(write, response.revision);
        return { applied: response.revision };
      }
      const found = response.ranges[0]?.[0];
      const verdict = write.isLost ? await this.#whatBecame(write, found, response.revision) : 'not applied';
      if (verdict === 'unknown') continue;
      if (verdict !== 'not applied') return verdict;
      const isFenceNew = write.fence?.accept(response.ranges[1]?.[0]) ?? false;
      if ((found?.modRevision ?? 0) !== write.base || !isFenceNew) return { found };
    }
  }

  async #transaction({ key, value, base, ttlSeconds, fence }: Write): Promise<TxnRequest> {
    const compare = [{ key, modRevision: base }];
    const failure: KvOperation[] = [{ type: 'range', key }];
    if (fence) {
      compare.push({ key: fence.key, modRevision: fence.revision });
      failure.push({ type: 'range', key: fence.key });
    }
    const lease = value && ttlSeconds ? await this.#options.leases.get(ttlSeconds) : undefined;
    const operation: KvOperation = value ? { type: 'put', key, value, lease } : { type: 'delete', key };
    return { compare, success: [operation], failure };
  }

  /**
   * Before a lost write is repeated. The repetition itself is safe, for it compares the same revision; but a key that
   * was created, and deleted since by someone who saw it, must not be created twice.
   */
  async #readBack(write: Write, signal: AbortSignal): Promise<Verdict> {
    const { kv } = this.#options;
    let response: RangeResponse;
    try {
      response = await kv.range({ key: write.key }, signal);
    } catch (error) {
      if (error instanceof KvError && (error.kind === 'unavailable' || error.maybeApplied)) return 'unknown';
      throw new KvError('timeout', 'what became of a write cannot be read', { maybeApplied: true, cause: error });
    }
    return this.#whatBecame(write, response.kvs[0], response.revision);
  }

  /**
   * Of a write whose answer was lost, told by what the key holds now and by what happened to it since. Ours, if it was
   * applied, is the first event after its base: the transaction saw to that.
   */
  async #whatBecame(write: Write, found: KeyValue | undefined, storeRevision: number): Promise<Verdict> {
    const { key, value, base } = write;
    if (base > 0 && found?.modRevision === base) return 'not applied';
    const isGone = found === undefined;
    const { events, isFromStart, isToEnd } = await this.#options.view.history(
      key,
      write.since,
      isGone ? storeRevision : found.modRevision,
    );
    const ours = events.find((event) => this.#isOurs(write, event));
    if (ours) return this.#underWay.claim(write, ours.revision) ? { applied: ours.revision } : 'unknown';
    const isDecided = isToEnd || (base > 0 && events.length > 0);
    if (isFromStart) return !isDecided ? 'unknown' : isGone && base === 0 ? 'not applied' : { found };
    if (!isToEnd) return 'unknown';
    // The events are gone; then the state itself is all there is to go by.
    if (!value || !found?.value.equals(value) || write.others.has(found.modRevision)) {
      throw new KvError('timeout', 'what became of a write is not known any more', { maybeApplied: true });
    }
    return this.#underWay.claim(write, found.modRevision) ? { applied: found.modRevision } : 'unknown';
  }

  /** Of a deletion: by whom it was cannot be told from another server's, which then both are told of. */
  #isOurs({ key, value, base, others }: Write, event: ViewedEvent): boolean {
    if (others.has(event.revision) || (event.previous?.revision ?? 0) !== base) return false;
    if (!value) return event.type === 'DELETED';
    if (event.type === 'DELETED') return false;
    return event.entry.bytes.equals(decodeEntry(this.#options.codec, key, value, event.revision).bytes);
  }

  #written(key: string, value: Buffer, revision: number): Entry {
    const entry = decodeEntry(this.#options.codec, key, value, revision);
    this.#options.view.handOver(entry);
    return entry;
  }

  async #read(key: string, signal: AbortSignal): Promise<Entry | undefined> {
    return this.#decode((await this.#options.kv.range({ key }, signal)).kvs[0]);
  }

  #decode(kv: KeyValue | undefined): Entry | undefined {
    return kv && decodeEntry(this.#options.codec, kv.key, kv.value, kv.modRevision);
  }
}

/** `"resourceVersion":"",` */
const resourceVersionFieldBytes = 21;

/** Whether storing `value` would change nothing. Most changes change the length, and are known without decoding. */
function isSameState(codec: ResourceCodec, current: Entry, value: Buffer): boolean {
  const stored = current.bytes.length - resourceVersionFieldBytes - String(current.revision).length;
  // The encoder may end the value with a newline, as upstream's does.
  if (value.length !== stored && value.length !== stored + 1) return false;
  return decodeEntry(codec, current.key, value, current.revision).bytes.equals(current.bytes);
}
