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
import { type EtcdKv, type KeyValue, KvError, type KvOperation } from './kv.ts';
import type { Leases } from './leases.ts';
import { toStatusError } from './store-errors.ts';

const writeDeadlineMs = 30_000;
const retryAfterLostAnswerMs = 50;

/** What this server has seen of the resource: the first guess of an update, and witness of what became of a write. */
export interface ResourceView {
  get(key: string): Entry | undefined;
  /** A write was acknowledged; its event is still to come. */
  handOver(entry: Entry): void;
  /**
   * The revision of the first event of the key after `base` that `isOurs`, once the view has reached `upTo`;
   * undefined when there is none, or the view does not get there.
   */
  findEvent(
    key: string,
    base: number,
    upTo: number,
    isOurs: (event: ViewedEvent) => boolean,
  ): Promise<number | undefined>;
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

interface Write {
  key: string;
  /** Absent: delete. */
  value?: Buffer;
  /** The mod revision it is based on; 0: the key must not exist. */
  base: number;
  ttlSeconds?: number;
  fence?: Fence;
}

type Outcome = { applied: number } | { found: KeyValue | undefined };

export class Writer {
  readonly #options: WriterOptions;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  create(key: string, object: KubeObject, options: WriteOptions = {}): Promise<Entry | undefined> {
    return this.#run(options, async (signal, fence) => {
      const value = this.#options.codec.encode(object);
      const write: Write = { key, value, base: 0, ttlSeconds: options.ttlSeconds, fence };
      const outcome = await this.#commit(write, signal);
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
    const outcome = await this.#commit({ key, value, base, ttlSeconds: options.ttlSeconds, fence }, signal);
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
    const { kv, clock, leases } = this.#options;
    let isUnknown = false;
    for (;;) {
      try {
        if (isUnknown) {
          const applied = await this.#readBack(write, signal);
          if (applied !== undefined) return { applied };
        }
        const response = await kv.txn(await this.#transaction(write, signal), signal);
        if (response.succeeded) return { applied: response.revision };
        const found = response.ranges[0]?.[0];
        if (isUnknown) {
          const applied = await this.#whatBecame(write, found, response.revision);
          if (applied !== undefined) return { applied };
        }
        const isFenceNew = write.fence?.accept(response.ranges[1]?.[0]) ?? false;
        if ((found?.modRevision ?? 0) === write.base && isFenceNew) continue;
        return { found };
      } catch (error) {
        if (!(error instanceof KvError) || signal.aborted) throw error;
        if (error.kind === 'leaseNotFound') leases.forget(write.ttlSeconds ?? 0);
        else if (error.maybeApplied) isUnknown = true;
        else if (!(isUnknown && error.kind === 'unavailable')) throw error;
        await sleep(clock, retryAfterLostAnswerMs, signal);
      }
    }
  }

  async #transaction({ key, value, base, ttlSeconds, fence }: Write, signal: AbortSignal) {
    const compare = [{ key, modRevision: base }];
    const failure: KvOperation[] = [{ type: 'range', key }];
    if (fence) {
      compare.push({ key: fence.key, modRevision: fence.revision });
      failure.push({ type: 'range', key: fence.key });
    }
    const lease = value && ttlSeconds ? await this.#options.leases.get(ttlSeconds, signal) : undefined;
    const operation: KvOperation = value ? { type: 'put', key, value, lease } : { type: 'delete', key };
    return { compare, success: [operation], failure };
  }

  /**
   * Before a lost write is repeated. The repetition itself is safe, for it compares the same revision; but a key that
   * was created, and deleted since by someone who saw it, must not be created twice.
   */
  async #readBack(write: Write, signal: AbortSignal): Promise<number | undefined> {
    const response = await this.#options.kv.range({ key: write.key }, signal);
    return this.#whatBecame(write, response.kvs[0], response.revision);
  }

  /** The revision at which the write was applied, if it was, told by what the key holds now and by the events since. */
  async #whatBecame(write: Write, found: KeyValue | undefined, storeRevision: number): Promise<number | undefined> {
    const { key, value, base } = write;
    const { codec, view } = this.#options;
    if (found && found.modRevision === base) return undefined;
    if (value && found?.value.equals(value)) return found.modRevision;
    const seen = await view.findEvent(key, base, storeRevision, (event) =>
      value
        ? event.type !== 'DELETED' && event.entry.bytes.equals(decodeEntry(codec, key, value, event.revision).bytes)
        : event.type === 'DELETED' && event.previous?.revision === base,
    );
    // Gone is gone, whoever did it: a deletion has no content to tell ours from another's.
    return seen ?? (!value && !found ? storeRevision : undefined);
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
