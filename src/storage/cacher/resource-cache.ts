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
import { CacheEvent, EventRing } from './event-ring.ts';
import { SnapshotHistory } from './snapshot-history.ts';
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
  ringCapacity: number;
}

export class ResourceCache {
  readonly codec: ResourceCodec;
  readonly ring: EventRing;
  readonly watchers: WatcherIndex;
  readonly #clock: Clock;
  readonly #log: Logger;
  #tree: EntryTree = new BTree<string, Entry>(undefined, compareKeys);
  #history = new SnapshotHistory();
  #ready = false;
  /** Events since the list began, while there is one under way. */
  #held: KvEvent[] | undefined;
  readonly #waiting = new Set<(isReady: boolean) => void>();
  /** Writes of this server whose events are still to come: the entry is already made. */
  #handedOver = new Map<string, Entry>();

  constructor(codec: ResourceCodec, options: ResourceCacheOptions) {
    this.codec = codec;
    this.#clock = options.clock;
    this.#log = options.log;
    this.ring = new EventRing(options.ringCapacity);
    this.watchers = new WatcherIndex(codec.prefix);
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

  /** The state at `revision`, not to be changed; undefined when its history is gone. */
  snapshotAt(revision: number): EntryTree | undefined {
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

  // The rest is for the store watch alone.

  beginFill(): void {
    this.#ready = false;
    this.#held = [];
  }

  /** Events were missed: what is here stays only to tell watchers the difference once it has been listed again. */
  markStale(): void {
    this.#ready = false;
    this.#held = undefined;
  }

  /** The list, as of `revision`. What was here before is brought to it by events, so that watchers stay. */
  finishFill(kvs: readonly KeyValue[], revision: number): void {
    const held = this.#held ?? [];
    const before = this.#tree;
    const pairs: [string, Entry][] = [];
    for (const kv of kvs) {
      const known = before.get(kv.key);
      const entry = known?.revision === kv.modRevision ? known : this.#decode(kv);
      if (entry) pairs.push([kv.key, entry]);
    }
    this.#tree = new BTree(pairs, compareKeys);
    this.#history.clear();
    this.ring.reset(revision);
    this.#held = undefined;
    this.#ready = true;
    if (before.size > 0) this.#announceDifference(before, kvs, revision);
    for (const event of held) {
      if (event.kv.modRevision > revision) this.apply(event);
    }
    for (const done of this.#waiting) done(true);
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
    const { key, modRevision } = event.kv;
    const previous = this.#tree.get(key);
    if (previous !== undefined && previous.revision >= modRevision) return;
    const entry = event.type === 'put' ? this.#take(event.kv) : undefined;
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
    this.#ready = false;
    this.#held = undefined;
    this.#tree = new BTree<string, Entry>(undefined, compareKeys);
    this.#history.clear();
    this.#handedOver.clear();
    this.ring.reset(0);
    this.watchers.endAll(error);
  }

  #now(): number {
    return this.#clock.monotonic();
  }

  #publish(event: CacheEvent): void {
    this.ring.push(event);
    this.watchers.dispatch(event);
  }

  #take(kv: KeyValue): Entry | undefined {
    const made = this.#handedOver.get(kv.key);
    if (made === undefined) return this.#decode(kv);
    if (made.revision <= kv.modRevision) this.#handedOver.delete(kv.key);
    return made.revision === kv.modRevision ? made : this.#decode(kv);
  }

  /** A value nobody can decode is no object: it is left out, and told, rather than stopping every other resource. */
  #decode(kv: KeyValue): Entry | undefined {
    try {
      return decodeEntry(this.codec, kv.key, kv.value, kv.modRevision);
    } catch (error) {
      this.#log.error({ key: kv.key, revision: kv.modRevision, error: messageOf(error) }, 'undecodable value in store');
      return undefined;
    }
  }

  /**
   * After a gap in the events (compaction): what a watcher would have seen, as far as a list can tell. A key that was
   * deleted and made anew shows as both. The true revisions of deletions are lost: theirs are the latest possible.
   */
  #announceDifference(before: EntryTree, kvs: readonly KeyValue[], revision: number): void {
    const events: CacheEvent[] = [];
    const now = this.#now();
    const gone = (old: Entry, at: number) =>
      events.push(new CacheEvent('DELETED', old.key, at, restampEntry(old, at), old, now));
    for (const kv of kvs) {
      const entry = this.#tree.get(kv.key);
      let old = before.get(kv.key);
      if (entry === undefined || old?.revision === entry.revision) continue;
      if (old && kv.createRevision > old.revision) {
        gone(old, kv.createRevision - 1);
        old = undefined;
      }
      events.push(new CacheEvent(old ? 'MODIFIED' : 'ADDED', kv.key, entry.revision, entry, old, now));
    }
    before.forEachPair((key, old) => {
      if (!this.#tree.has(key)) gone(old, revision);
    });
    events.sort((a, b) => a.revision - b.revision);
    for (const event of events) this.watchers.dispatch(event);
  }
}
