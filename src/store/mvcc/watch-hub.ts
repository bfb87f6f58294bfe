/**
 * Tells watchers what changed. A watcher is `synced`: it gets each commit as it becomes durable; or `behind`: it reads
 * history in steps until it is synced. Who starts in the past begins behind, and so does who reads too slowly: when the
 * receiver is full its watchers fall behind, and go on from history when there is room. So a slow stream costs no
 * memory, a late one does not hold up the others, and the worst outcome is `compacted`: the history it needs is gone.
 */
import type { Clock } from '#base/clock.ts';
import { Event, EventType } from '#etcd/key-value.ts';
import { WatchFilter } from '#etcd/messages.ts';
import type { KeyRange, KvStore } from './kv-store.ts';
import { latin1 } from './kv-store.ts';
import { WatcherIndex } from './watcher-index.ts';

/** Where the events of one stream go. */
export interface WatchReceiver {
  isFull(): boolean;
  /** Encoded mvccpb.Events of whole revisions. */
  events(watcher: Watcher, events: readonly Buffer[], revision: number): void;
  progress(watcher: Watcher, revision: number): void;
  compacted(watcher: Watcher, compactRevision: number): void;
  /** History could not be read: the last that is heard of it. */
  failed(watcher: Watcher, error: Error): void;
  /** A watcher that was behind is not any more. */
  synced(): void;
}

export interface WatcherOptions {
  range: KeyRange;
  /** 0: from now on. */
  startRevision: number;
  prevKv: boolean;
  progressNotify: boolean;
  filters: readonly number[];
}

export interface Watcher extends WatcherOptions {
  readonly id: number;
  readonly receiver: WatchReceiver;
  /** Everything before this has been sent. */
  next: number;
  isSynced: boolean;
  isCancelled: boolean;
  isStepping: boolean;
  /** Since the last progress notification. */
  isQuiet: boolean;
  outgoing: Buffer[];
}

/** One step of a watcher that is behind: what it may read before others get their turn. */
const stepRowsMax = 1000;
const stepBytesMax = 1024 * 1024;

export class WatchHub {
  readonly #kv: KvStore;
  readonly #clock: Clock;
  readonly #index = new WatcherIndex<Watcher>();
  readonly #all = new Set<Watcher>();
  /** Changes whose commit is under way, one array per revision. */
  #committing: Event[][] = [];
  /** Nothing after it is told to anybody. */
  #durable: number;

  constructor(kv: KvStore, clock: Clock) {
    this.#kv = kv;
    this.#clock = clock;
    this.#durable = kv.revision;
  }

  get durableRevision(): number {
    return this.#durable;
  }

  get watcherCount(): number {
    return this.#all.size;
  }

  add(id: number, options: WatcherOptions, receiver: WatchReceiver): Watcher {
    const watcher: Watcher = {
      ...options,
      id,
      receiver,
      next: options.startRevision !== 0 ? options.startRevision : this.#durable + 1,
      isSynced: false,
      isCancelled: false,
      isStepping: false,
      isQuiet: true,
      outgoing: [],
    };
    this.#all.add(watcher);
    if (watcher.next > this.#durable) this.#sync(watcher);
    else this.resume(watcher);
    return watcher;
  }

  remove(watcher: Watcher): void {
    watcher.isCancelled = true;
    this.#all.delete(watcher);
    if (watcher.isSynced) this.#index.delete(watcher);
  }

  /** Within a commit: to be told once it is durable. */
  committing(events: Event[]): void {
    if (events.length > 0) this.#committing.push(events);
  }

  publish(): void {
    const revisions = this.#committing;
    if (revisions.length === 0) return;
    this.#committing = [];
    this.#durable = revisions.at(-1)![0]!.kv.modRevision;
    const concerned: Watcher[] = [];
    const touched: Watcher[] = [];
    for (const events of revisions) {
      for (let sub = 0; sub < events.length; sub++) {
        const event = events[sub]!;
        concerned.length = 0;
        const key = latin1(event.kv.key);
        this.#index.find(key, concerned);
        if (concerned.length > 0) this.#deliver(event, key, sub, concerned, touched);
      }
    }
    for (const watcher of touched) this.#flush(watcher, this.#durable + 1);
  }

  /** Goes on with a watcher that is behind: there is room again. */
  resume(watcher: Watcher): void {
    if (watcher.isSynced || watcher.isCancelled || watcher.isStepping) return;
    watcher.isStepping = true;
    this.#clock.soon(() => {
      watcher.isStepping = false;
      try {
        this.#step(watcher);
      } catch (error) {
        this.remove(watcher);
        watcher.receiver.failed(watcher, error as Error);
      }
    });
  }

  /** To all who asked for it and have heard nothing since the last time. */
  notifyProgress(): void {
    for (const watcher of this.#all) {
      if (!watcher.progressNotify || !watcher.isSynced) continue;
      if (watcher.isQuiet && !watcher.receiver.isFull()) watcher.receiver.progress(watcher, this.#durable);
      watcher.isQuiet = true;
    }
  }

  #deliver(event: Event, key: string, sub: number, watchers: Watcher[], touched: Watcher[]): void {
    let plain: Buffer | undefined;
    let withPrevious: Buffer | undefined;
    for (const watcher of watchers) {
      if (event.kv.modRevision < watcher.next || isFiltered(watcher, event)) continue;
      if (watcher.receiver.isFull()) {
        this.#fallBehind(watcher, event.kv.modRevision);
        continue;
      }
      if (watcher.outgoing.length === 0) touched.push(watcher);
      if (watcher.prevKv) {
        withPrevious ??= this.#encodeWithPrevious(event, key, sub);
        watcher.outgoing.push(withPrevious);
      } else {
        plain ??= Event.encode(event);
        watcher.outgoing.push(plain);
      }
    }
  }

  #encodeWithPrevious(event: Event, key: string, sub: number): Buffer {
    const prevKv = this.#kv.before(key, event.kv.modRevision, sub);
    return Event.encode({ type: event.type, kv: event.kv, prevKv });
  }

  #flush(watcher: Watcher, next: number): void {
    watcher.next = Math.max(watcher.next, next);
    if (watcher.outgoing.length === 0) return;
    const events = watcher.outgoing;
    watcher.outgoing = [];
    watcher.isQuiet = false;
    if (!watcher.isCancelled) watcher.receiver.events(watcher, events, this.#durable);
  }

  #sync(watcher: Watcher): void {
    watcher.isSynced = true;
    this.#index.add(watcher);
    watcher.receiver.synced();
  }

  #fallBehind(watcher: Watcher, next: number): void {
    watcher.isSynced = false;
    watcher.next = next;
    this.#index.delete(watcher);
  }

  #step(watcher: Watcher): void {
    if (watcher.isCancelled || watcher.receiver.isFull()) return;
    if (watcher.next < this.#kv.compactRevision) {
      this.remove(watcher);
      watcher.receiver.compacted(watcher, this.#kv.compactRevision);
      return;
    }
    const end = this.#durable + 1;
    let next = end;
    let rows = 0;
    let bytes = 0;
    let main = 0;
    for (const row of this.#kv.history(watcher.next, end)) {
      // Only between revisions: the changes of one belong together.
      if (row.main !== main && (rows >= stepRowsMax || bytes >= stepBytesMax)) {
        next = row.main;
        break;
      }
      main = row.main;
      rows++;
      const key = latin1(row.key);
      if (!isWithin(key, watcher.range)) continue;
      const event = this.#kv.eventOf(row);
      if (isFiltered(watcher, event)) continue;
      const encoded = watcher.prevKv ? this.#encodeWithPrevious(event, key, row.sub) : Event.encode(event);
      bytes += encoded.length;
      watcher.outgoing.push(encoded);
    }
    this.#flush(watcher, next);
    if (watcher.next > this.#durable) this.#sync(watcher);
    else this.resume(watcher);
  }
}

function isFiltered(watcher: Watcher, event: Event): boolean {
  if (watcher.filters.length === 0) return false;
  return watcher.filters.includes(event.type === EventType.PUT ? WatchFilter.NOPUT : WatchFilter.NODELETE);
}

function isWithin(key: string, { key: start, end }: KeyRange): boolean {
  return end === undefined ? key === start : key >= start && (end === null || key < end);
}
