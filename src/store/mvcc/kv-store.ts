/**
 * Keys with their history. Owns the index of keys (in memory) and the rows they point to (in the database); values are
 * read from the database, whose page cache holds the hot ones, so that memory grows with the keys and not with the data.
 * All writes happen between begin() and end(), inside a transaction of the group commit.
 */
import sortedBTree from 'sorted-btree';
import { assert } from '#base/assert.ts';
import { type Event, EventType, type KeyValue } from '#etcd/key-value.ts';
import { emptyBuffer } from '#etcd/wire.ts';
import { type Database, type KvRow, subRevisionMax } from '../backend/database.ts';
import { errors } from '../store-error.ts';
import { type Found, KeyIndex } from './key-index.ts';

const { default: BTree } = sortedBTree;

/** No revision is as large: a row's id leaves 39 bits for it. */
const revisionEnd = 2 ** 38;

/** `[key, end)` over Latin-1 strings. */
export interface KeyRange {
  key: string;
  /** Absent: that one key. `null`: all keys from `key` on. */
  end: string | null | undefined;
}

export function keyRange(key: Buffer, rangeEnd: Buffer): KeyRange {
  const end = rangeEnd.length === 0 ? undefined : rangeEnd.length === 1 && rangeEnd[0] === 0 ? null : latin1(rangeEnd);
  return { key: latin1(key), end };
}

export const latin1 = (bytes: Buffer): string => bytes.toString('latin1');
const bytesOf = (key: string): Buffer => Buffer.from(key, 'latin1');

export interface LeaseBook {
  attach(lease: bigint, key: string): void;
  detach(lease: bigint, key: string): void;
}

export class KvStore {
  readonly #database: Database;
  readonly #leases: LeaseBook;
  readonly #index = new BTree<string, KeyIndex>(undefined, (a, b) => (a < b ? -1 : a > b ? 1 : 0));
  #revision = 1;
  /** The newest revision whose history is gone; the state at it can still be read. */
  #compactRevision: number;
  /** Of the transaction that is open. */
  #changes: Event[] = [];
  #isWriting = false;

  constructor(database: Database, leases: LeaseBook) {
    this.#database = database;
    this.#leases = leases;
    this.#compactRevision = database.compactRevision;
    this.#load();
  }

  get revision(): number {
    return this.#revision;
  }

  get compactRevision(): number {
    return this.#compactRevision;
  }

  get keyCount(): number {
    return this.#index.size;
  }

  /** What a reader sees: within a transaction that changed something, its own changes too. */
  get readRevision(): number {
    return this.#changes.length > 0 ? this.#revision + 1 : this.#revision;
  }

  begin(): void {
    assert(!this.#isWriting, 'a transaction is open');
    this.#isWriting = true;
    this.#changes = [];
  }

  /** The changes, all of one revision; a transaction without any takes no revision. */
  end(): Event[] {
    const changes = this.#changes;
    if (changes.length > 0) this.#revision++;
    this.#changes = [];
    this.#isWriting = false;
    return changes;
  }

  /** `lease` undefined: keep the one it has. */
  put(key: Buffer, value: Buffer, lease: bigint | undefined): void {
    const name = latin1(key);
    let index = this.#index.get(name);
    if (!index) {
      index = new KeyIndex(name);
      this.#index.set(name, index);
    }
    const { main, sub } = this.#next();
    const before = index.isDeleted ? 0n : index.lease;
    const after = lease ?? before;
    const { createRevision, version } = index.put(main, sub);
    this.#database.insert({ main, sub, key, value, createRevision, version, lease: after });
    this.#move(index, before, after);
    const kv: KeyValue = { key, createRevision, modRevision: main, version, value, lease: after };
    this.#changes.push({ type: EventType.PUT, kv, prevKv: undefined });
  }

  deleteRange(range: KeyRange): number {
    const found: KeyIndex[] = [];
    this.#forEach(range, (index) => {
      if (!index.isDeleted) found.push(index);
      return true;
    });
    for (const index of found) {
      const { main, sub } = this.#next();
      const key = bytesOf(index.key);
      index.tombstone(main, sub);
      this.#database.insert({ main, sub, key, value: emptyBuffer, createRevision: 0, version: 0, lease: 0n });
      this.#move(index, index.lease, 0n);
      const kv = { key, createRevision: 0, modRevision: main, version: 0, value: emptyBuffer, lease: 0n };
      this.#changes.push({ type: EventType.DELETE, kv, prevKv: undefined });
    }
    return found.length;
  }

  /** Calls `visit` with each key as it was, in order, until it answers false. `revision` 0: now. */
  scan(range: KeyRange, revision: number, visit: (key: string, found: Found) => boolean): void {
    const at = this.checkReadable(revision);
    const isNow = at === this.readRevision;
    this.#forEach(range, (index) => {
      const found = isNow ? index.current() : index.at(at);
      return found ? visit(index.key, found) : true;
    });
  }

  get(key: string): KeyValue | undefined {
    const found = this.#index.get(key)?.current();
    return found && this.keyValue(key, found, true);
  }

  keyValue(key: string, found: Found, withValue: boolean): KeyValue {
    const { value, lease } = this.#database.read(found.main, found.sub);
    return {
      key: bytesOf(key),
      createRevision: found.createRevision,
      modRevision: found.main,
      version: found.version,
      value: withValue ? value : emptyBuffer,
      lease,
    };
  }

  /** The state before a change, as long as it is not compacted. */
  before(key: string, main: number, sub: number): KeyValue | undefined {
    const found = main > this.#compactRevision ? this.#index.get(key)?.before(main, sub) : undefined;
    return found && this.keyValue(key, found, true);
  }

  /** Rows of changes of revisions from ≤ main < before, oldest first. */
  history(from: number, before: number): ReturnType<Database['history']> {
    return this.#database.history(from, before);
  }

  /** The event of a row of history(). */
  eventOf(row: Omit<KvRow, 'value'>): Event {
    const { main, sub, key, createRevision, version, lease } = row;
    const isDelete = version === 0;
    const value = isDelete ? emptyBuffer : this.#database.read(main, sub).value;
    return {
      type: isDelete ? EventType.DELETE : EventType.PUT,
      kv: { key, createRevision, modRevision: main, version, value, lease },
      prevKv: undefined,
    };
  }

  /** 0 stands for the current revision. */
  checkReadable(revision: number): number {
    if (revision > this.readRevision) throw errors.futureRevision();
    if (revision <= 0) return this.readRevision;
    if (revision < this.#compactRevision) throw errors.compacted();
    return revision;
  }

  /** From now on nothing before `revision` can be read. The rows go in compactSome(). */
  compact(revision: number): void {
    if (revision <= this.#compactRevision) throw errors.compacted();
    if (revision > this.#revision) throw errors.futureRevision();
    this.#compactRevision = revision;
    this.#database.compactRevision = revision;
  }

  /** Drops what compaction made unreachable, for some keys after `after`; the last of them, or undefined at the end. */
  compactSome(after: string, keysMax: number): string | undefined {
    const emptied: string[] = [];
    let seen = 0;
    let last: string | undefined;
    this.#forEach({ key: after, end: null }, (index) => {
      if (++seen > keysMax) {
        last = index.key;
        return false;
      }
      if (index.hasHistory) index.compact(this.#compactRevision, (main, sub) => this.#database.delete(main, sub));
      if (index.isEmpty) emptied.push(index.key);
      return true;
    });
    for (const key of emptied) this.#index.delete(key);
    return last;
  }

  #next(): { main: number; sub: number } {
    assert(this.#isWriting, 'no transaction is open');
    assert(this.#changes.length < subRevisionMax, 'too many changes in one transaction');
    return { main: this.#revision + 1, sub: this.#changes.length };
  }

  #move(index: KeyIndex, from: bigint, to: bigint): void {
    index.lease = to;
    if (from === to) return;
    if (from !== 0n) this.#leases.detach(from, index.key);
    if (to !== 0n) this.#leases.attach(to, index.key);
  }

  #forEach({ key, end }: KeyRange, visit: (index: KeyIndex) => boolean): void {
    if (end === undefined) {
      const index = this.#index.get(key);
      if (index) visit(index);
      return;
    }
    const last = end ?? this.#index.maxKey();
    if (last === undefined) return;
    this.#index.forRange(key, last, end === null, (_key, index) => (visit(index) ? undefined : { break: true }));
  }

  #load(): void {
    let newest = Math.max(1, this.#compactRevision);
    for (const row of this.#database.history(0, revisionEnd)) {
      const name = latin1(row.key);
      let index = this.#index.get(name);
      if (!index) {
        index = new KeyIndex(name);
        this.#index.set(name, index);
      }
      index.restore(row.main, row.sub, row.createRevision, row.version);
      this.#move(index, index.lease, row.lease);
      if (row.main > newest) newest = row.main;
    }
    this.#revision = newest;
    const emptied = [...this.#index.values()].filter((index) => index.isEmpty);
    for (const index of emptied) this.#index.delete(index.key);
  }
}
