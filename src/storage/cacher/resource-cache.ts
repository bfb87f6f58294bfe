/**
 * One resource as this server knows it: the newest state in an ordered copy-on-write tree, and the last events. Owned
 * by the store watch, which alone fills it and applies events; everyone else reads. Nothing here is ever written back:
 * the worst that losing it costs is a list.
 */
import sortedBtree from 'sorted-btree';
import type { Clock } from '#base/clock.ts';
import { messageOf } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import { decodeEntry, type Entry, restampEntry } from '../etcd3/entry.ts';
import type { KeyValue, KvEvent } from '../etcd3/kv.ts';
import type { ResourceCodec } from '../storage.ts';
import { StorageCounters } from '../storage-counters.ts';
import { difference, type Listed } from './difference.ts';
import { CacheEvent, EventRing } from './event-ring.ts';
import { SnapshotHistory } from './snapshot-history.ts';
import { UnreadableKeys } from './unreadable-keys.ts';
import { WatcherIndex } from './watcher-index.ts';

const BTree = sortedBtree.default;
export type EntryTree = InstanceType<typeof BTree<string, Entry>>;

const compareKeys = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const handedOverMax = 1024;
/** Events that arrive while the resource is being listed; more than this and the list begins anew. */
const heldEventsMax = 50_000;

export interface ResourceCacheOptions {
  clock: Clock;
  log: Logger;
  /** 0: reads go to the store, always; the cache is for watches alone. */
  ringCapacity: number;
}

export class ResourceCache {
  readonly codec: ResourceCodec;
  readonly ring: EventRing;
  readonly watchers: WatcherIndex;
  readonly unreadable = new UnreadableKeys();
  readonly servesReads: boolean;
  readonly counters = new StorageCounters();
  /** How often the state was taken from the store, or dropped, instead of following it. */
  fills = 0;
  readonly #clock: Clock;
  readonly #log: Logger;
  #tree: EntryTree = new BTree<string, Entry>(undefined, compareKeys);
  #history = new SnapshotHistory();
  #ready = false;
  /** Events since the list began, while there is one under way. */
  #held: KvEvent[] | undefined;
  #listed: Listed[] = [];
  readonly #waiting = new Set<(isReady: boolean) => void>();
  /** Writes of this server whose events are still to come: the entry is already made. */
  #handedOver = new Map<string, Entry>();

  constructor(codec: ResourceCodec, options: ResourceCacheOptions) {
    this.codec = codec;
    this.#clock = options.clock;
    this.#log = options.log;
    this.ring = new EventRing(options.ringCapacity, this.counters);
    this.watchers = new WatcherIndex(codec.prefix);
    this.servesReads = options.ringCapacity > 0;
  }

  get ready(): boolean {
    return this.#ready;
  }

  get filling(): boolean {
    return this.#held !== undefined;
  }

  /** False when the time is over before the resource has been listed. */
  whenReady(boundMs: number): Promise<boolean> {
    if (this.#ready) return Promise.resolve(true);
    return new Promise((resolve) => {
      const done = (isReady: boolean) => {
        timer.cancel();
        this.#waiting.delete(done);
        resolve(isReady);
      };
      const timer = this.#clock.setTimer(boundMs, () => done(false));
      this.#waiting.add(done);
    });
  }

  get tree(): EntryTree {
    return this.#tree;
  }

  get(key: string): Entry | undefined {
    return this.#tree.get(key);
  }

  /** The state at `revision`, not to be changed; undefined when its history is gone, or it cannot be shown. */
  snapshotAt(revision: number): EntryTree | undefined {
    if (this.unreadable.at(revision)) return undefined;
    return this.#history.at(revision, this.#tree, this.ring);
  }

  /** A page of the state as it is now was given out: keep the state for the pages after it. */
  keepSnapshot(revision: number): void {
    this.#history.keep(revision, this.#tree);
  }

  /** A write was acknowledged: saves decoding it a second time when its event comes. */
  handOver(entry: Entry): void {
    if (this.#handedOver.size >= handedOverMax) this.#handedOver.clear();
    this.#handedOver.set(entry.key, entry);
  }

  /** Gives back what a burst of events or of readers took. */
  settle(): void {
    this.ring.settle(this.#now());
    this.#history.settle();
  }

  // The rest is for the store watch alone.

  beginFill(): void {
    this.#ready = false;
    this.#held = [];
    this.#listed = [];
    this.unreadable.clear();
  }

  /** A page of the list. Decoded as it comes, so that a large resource never stops the process for long. */
  addListed(kvs: readonly KeyValue[]): void {
    for (const kv of kvs) {
      const known = this.#tree.get(kv.key);
      // What cannot be read stays as it was known: to its watchers nothing has happened yet.
      const entry = known?.revision === kv.modRevision ? known : (this.#decode(kv) ?? known);
      if (entry) this.#listed.push({ entry, createRevision: kv.createRevision });
    }
  }

  /** The list is complete, as of `revision`. What was here before is brought to it by events: watchers stay. */
  finishFill(revision: number): void {
    this.fills++;
    this.counters.initializations++;
    const held = this.#held ?? [];
    const listed = this.#listed;
    const before = this.#tree;
    const pairs = listed.map(({ entry }): [string, Entry] => [entry.key, entry]);
    this.#tree = new BTree(pairs, compareKeys);
    this.#history.clear();
    this.ring.reset(revision);
    this.#held = undefined;
    this.#listed = [];
    this.#ready = true;
    if (before.size > 0) {
      for (const event of difference(before, listed, this.#tree, revision, this.#now())) this.watchers.dispatch(event);
    }
    for (const event of held) {
      if (event.kv.modRevision > revision) this.apply(event);
    }
    for (const done of this.#waiting) done(true);
  }

  /** Events were missed: what is here stays only to tell watchers the difference once it has been listed again. */
  markStale(): void {
    this.#ready = false;
    this.#held = undefined;
    this.#listed = [];
  }

  /** False: too many events came while the list was under way; it has to begin anew. */
  get canFinishFill(): boolean {
    return this.#held !== undefined && this.#held.length < heldEventsMax;
  }

  apply(event: KvEvent): void {
    if (this.#held !== undefined) {
      if (this.#held.length < heldEventsMax) this.#held.push(event);
      return;
    }
    if (!this.#ready) return;
    this.counters.eventsReceived++;
    const { key, modRevision } = event.kv;
    const previous = this.#tree.get(key);
    if (previous !== undefined && previous.revision >= modRevision) return;
    const entry = event.type === 'put' ? this.#take(event.kv) : undefined;
    if (event.type === 'put' && entry === undefined) return;
    if (this.unreadable.size > 0) this.unreadable.end(key, modRevision);
    if (entry) {
      this.#tree.set(key, entry);
      this.#publish(new CacheEvent(previous ? 'MODIFIED' : 'ADDED', key, modRevision, entry, previous, this.#now()));
    } else if (previous) {
      this.#tree.delete(key);
      const last = restampEntry(previous, modRevision);
      this.#publish(new CacheEvent('DELETED', key, modRevision, last, previous, this.#now()));
    }
  }

  /** The store is not the one this was read from. */
  drop(error: Error): void {
    this.fills++;
    this.#ready = false;
    this.#held = undefined;
    this.#listed = [];
    this.#tree = new BTree<string, Entry>(undefined, compareKeys);
    this.#history.clear();
    this.#handedOver.clear();
    this.unreadable.clear();
    this.ring.reset(0);
    this.watchers.endAll(error);
  }

  #now(): number {
    return this.#clock.monotonic();
  }

  #publish(event: CacheEvent): void {
    this.counters.eventsDispatched++;
    this.ring.push(event);
    this.watchers.dispatch(event);
  }

  #take(kv: KeyValue): Entry | undefined {
    const made = this.#handedOver.get(kv.key);
    if (made === undefined) return this.#decode(kv);
    if (made.revision <= kv.modRevision) this.#handedOver.delete(kv.key);
    return made.revision === kv.modRevision ? made : this.#decode(kv);
  }

  /** Undefined: the key has become unreadable, and that is told in the log. */
  #decode(kv: KeyValue): Entry | undefined {
    try {
      return decodeEntry(this.codec, kv.key, kv.value, kv.modRevision);
    } catch (error) {
      this.counters.decodeErrors++;
      this.#log.error({ key: kv.key, revision: kv.modRevision, error: messageOf(error) }, 'undecodable value in store');
      this.unreadable.begin(kv.key, kv.modRevision);
      return undefined;
    }
  }
}
