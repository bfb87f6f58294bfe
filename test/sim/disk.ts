/**
 * A disk under the store: what `src/store/backend/database.ts` does over SQLite, in memory, with the same contract
 * (database-contract.ts). A commit is in the operating system's memory; a sync, which takes its time, brings all that
 * was committed before it onto the disk. A process that dies loses nothing of that memory; a power cut leaves what was
 * synced and any number of the transactions after it, in order, as a journal does.
 *
 * It outlives the processes, and keeps the truth: every transaction that was not lost.
 */
import type { Database, KvRow } from '#store/backend/database.ts';
import type { SimProcess } from './process.ts';
import type { Random } from './random.ts';
import type { Lane, Scheduler } from './scheduler.ts';

type Change =
  | { type: 'insert'; row: KvRow }
  | { type: 'delete'; main: number; sub: number }
  | { type: 'putLease'; id: bigint; ttlSeconds: number }
  | { type: 'deleteLease'; id: bigint }
  | { type: 'meta'; name: string; value: string };

type Transaction = Change[];

export interface DiskProfile {
  /** How long a sync takes. */
  syncMs: (random: Random) => number;
  /** What goes wrong on purpose, to see that it is noticed: see planted-bugs.ts. */
  syncLies?: boolean;
  opensWithoutSync?: boolean;
}

const inPlaceMsMax = 2;
const failedSync = () => new Error('EIO: i/o error, fdatasync');
const pageBytes = 4096;
const rowOverheadBytes = 40;

export class SimDisk {
  /** The next one of these fails. */
  failNext: { commit?: boolean; sync?: boolean } = {};
  isFull = false;
  /** Whoever looks finds it full; otherwise only a commit does. */
  isKnownFull = false;
  /** Told of each commit, before its sync. */
  onCommitted: () => void = () => {};
  /** On top of what the profile says. */
  slowedMs = 0;
  /** All rows ever written that were not lost, with when they were committed, by the scheduler's ticks. */
  readonly truth: { row: KvRow; committedAt: number; atMs: number }[] = [];
  /** The newest revision that a power cut cannot take back. */
  durableRevision = 1;
  lostTransactions = 0;
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly profile: DiskProfile;
  /** It works also while the process on it stands still. */
  readonly lane: Lane;
  #image = new Image();
  /** On top of the image, in order, not synced. */
  #unsynced: { changes: Transaction; committedAt: number }[] = [];
  #open: SimDatabase | undefined;

  constructor(scheduler: Scheduler, random: Random, profile: DiskProfile) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.profile = profile;
    this.lane = scheduler.lane('disk', { name: 'disk', isPaused: false, isDead: false, stalled: [] });
  }

  get unsyncedTransactions(): number {
    return this.#unsynced.length;
  }

  open(process: SimProcess, randomId: () => bigint): Database {
    if (this.#open) throw new Error('in use by another process');
    if (this.isFull) throw new Error('database or disk is full');
    const isNew = !this.#image.meta.has('cluster_id') && this.#unsynced.length === 0;
    const working = this.#image.clone();
    for (const { changes } of this.#unsynced) working.apply(changes);
    const term = Number(working.meta.get('term') ?? '1') + 1;
    const opening: Transaction = [{ type: 'meta', name: 'term', value: String(term) }];
    if (isNew || !working.meta.has('cluster_id')) {
      opening.push({ type: 'meta', name: 'cluster_id', value: String(randomId()) });
      opening.push({ type: 'meta', name: 'member_id', value: String(randomId()) });
    }
    working.apply(opening);
    this.committed(opening);
    // Whatever a dead process left in memory is on the disk before anybody is told of it.
    if (!this.profile.opensWithoutSync) this.synced(this.#unsynced.length);
    this.#open = new SimDatabase(this, working, process, this.#scheduler);
    return this.#open;
  }

  /** The process is gone; `power`: and with it the memory of its machine. */
  crash(power: boolean): void {
    this.#open?.detach();
    this.#open = undefined;
    if (!power) return;
    const kept = this.#random.below(this.#unsynced.length + 1);
    this.lostTransactions += this.#unsynced.splice(kept).length;
    this.synced(this.#unsynced.length);
  }

  // For the database alone.

  committed(transaction: Transaction): void {
    this.#unsynced.push({ changes: transaction, committedAt: this.#scheduler.tick() });
    this.onCommitted();
  }

  syncMs(): number {
    return this.profile.syncMs(this.#random) + this.slowedMs;
  }

  /** Where a failed sync leaves things: some of it may be on the disk, and a later sync proves nothing. */
  synced(count: number): void {
    for (const { changes, committedAt } of this.#unsynced.splice(0, count)) {
      this.#image.apply(changes);
      for (const change of changes) {
        if (change.type !== 'insert') continue;
        this.truth.push({ row: change.row, committedAt, atMs: this.#scheduler.now });
        this.durableRevision = change.row.main;
      }
    }
  }
}

class Image {
  readonly rows = new Map<number, KvRow>();
  /** Keys of `rows`, ascending. */
  readonly ids: number[] = [];
  readonly leases = new Map<bigint, number>();
  readonly meta = new Map<string, string>();
  bytes = 0;

  clone(): Image {
    const copy = new Image();
    for (const id of this.ids) {
      copy.ids.push(id);
      copy.rows.set(id, this.rows.get(id)!);
    }
    for (const [id, ttl] of this.leases) copy.leases.set(id, ttl);
    for (const [name, value] of this.meta) copy.meta.set(name, value);
    copy.bytes = this.bytes;
    return copy;
  }

  apply(transaction: Transaction): void {
    for (const change of transaction) this.change(change);
  }

  change(change: Change): void {
    switch (change.type) {
      case 'insert': {
        const { row } = change;
        const id = idOf(row.main, row.sub);
        if (this.rows.has(id)) throw new Error(`UNIQUE constraint failed: kv.id ${row.main}.${row.sub}`);
        this.rows.set(id, row);
        if (this.ids.length === 0 || this.ids.at(-1)! < id) this.ids.push(id);
        else this.ids.splice(this.firstFrom(id), 0, id);
        this.bytes += sizeOf(row);
        return;
      }
      case 'delete': {
        const id = idOf(change.main, change.sub);
        const row = this.rows.get(id);
        if (!row) return;
        this.rows.delete(id);
        this.ids.splice(this.firstFrom(id), 1);
        this.bytes -= sizeOf(row);
        return;
      }
      case 'putLease':
        if (this.leases.has(change.id)) throw new Error(`UNIQUE constraint failed: lease.id ${change.id}`);
        this.leases.set(change.id, change.ttlSeconds);
        return;
      case 'deleteLease':
        this.leases.delete(change.id);
        return;
      case 'meta':
        this.meta.set(change.name, change.value);
    }
  }

  firstFrom(id: number): number {
    let low = 0;
    let high = this.ids.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.ids[middle]! < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Revisions stay small here, and so do ids. */
const idOf = (main: number, sub: number): number => main * 0x1000000 + sub;
const sizeOf = (row: KvRow): number => row.key.length + row.value.length + rowOverheadBytes;

export class SimDatabase implements Database {
  readonly path = '/simulated/store.db';
  readonly clusterId: bigint;
  readonly memberId: bigint;
  readonly term: number;
  readonly #disk: SimDisk;
  readonly #image: Image;
  readonly #scheduler: Scheduler;
  readonly #completions: Lane;
  #transaction: Transaction | undefined;
  #isDetached = false;

  constructor(disk: SimDisk, image: Image, process: SimProcess, scheduler: Scheduler) {
    this.#disk = disk;
    this.#image = image;
    this.#scheduler = scheduler;
    this.#completions = process.lane('disk');
    this.clusterId = BigInt(image.meta.get('cluster_id')!);
    this.memberId = BigInt(image.meta.get('member_id')!);
    this.term = Number(image.meta.get('term'));
  }

  detach(): void {
    this.#isDetached = true;
  }

  begin(): void {
    if (this.#transaction) throw new Error('cannot start a transaction within a transaction');
    this.#transaction = [];
  }

  commit(): void {
    const transaction = this.#transaction;
    if (!transaction) throw new Error('cannot commit - no transaction is active');
    this.#transaction = undefined;
    if (transaction.length === 0) return;
    if (this.#disk.isFull) throw new Error('database or disk is full');
    if (this.#disk.failNext.commit) {
      this.#disk.failNext.commit = false;
      throw new Error('disk I/O error');
    }
    this.#disk.committed(transaction);
  }

  /** `isAlone`: nobody waits beside this one, and it may be done in place. */
  sync(done: (error: Error | null) => void, isAlone = false): void {
    const disk = this.#disk;
    const count = disk.unsyncedTransactions;
    if (disk.profile.syncLies) {
      this.#scheduler.after(0, this.#completions, () => done(null));
      return;
    }
    const isFailing = disk.failNext.sync === true;
    if (isFailing) disk.failNext.sync = false;
    const takesMs = disk.syncMs();
    if (isAlone && takesMs <= inPlaceMsMax) {
      this.#scheduler.now += takesMs;
      if (!isFailing) disk.synced(count);
      done(isFailing ? failedSync() : null);
      return;
    }
    this.#scheduler.after(takesMs, disk.lane, () => {
      if (this.#isDetached) return;
      if (!isFailing) disk.synced(count);
      this.#scheduler.after(0, this.#completions, () => done(isFailing ? failedSync() : null));
    });
  }

  insert(row: KvRow): void {
    this.#change({ type: 'insert', row });
  }

  delete(main: number, sub: number): void {
    this.#change({ type: 'delete', main, sub });
  }

  read(main: number, sub: number): { value: Buffer; lease: bigint } {
    const row = this.#image.rows.get(idOf(main, sub));
    if (!row) throw new Error(`revision ${main}.${sub} is in the index, but not in ${this.path}`);
    return { value: row.value, lease: row.lease };
  }

  *history(from: number, before: number): IterableIterator<Omit<KvRow, 'value'>> {
    const { ids, rows } = this.#image;
    const end = idOf(before, 0);
    for (let i = this.#image.firstFrom(idOf(from, 0)); i < ids.length && ids[i]! < end; i++) yield rows.get(ids[i]!)!;
  }

  putLease(id: bigint, ttlSeconds: number): void {
    this.#change({ type: 'putLease', id, ttlSeconds });
  }

  deleteLease(id: bigint): void {
    this.#change({ type: 'deleteLease', id });
  }

  leases(): { id: bigint; ttlSeconds: number }[] {
    return [...this.#image.leases].map(([id, ttlSeconds]) => ({ id, ttlSeconds }));
  }

  get compactRevision(): number {
    return Number(this.#image.meta.get('compact_revision') ?? '0');
  }

  set compactRevision(revision: number) {
    this.#change({ type: 'meta', name: 'compact_revision', value: String(revision) });
  }

  get alarms(): string {
    return this.#image.meta.get('alarms') ?? '';
  }

  set alarms(text: string) {
    this.#change({ type: 'meta', name: 'alarms', value: text });
  }

  /** Where others fill the disk at once, nobody knows it before a commit fails. */
  freeDiskBytes(): number {
    return this.#disk.isFull && this.#disk.isKnownFull ? 0 : 2 ** 40;
  }

  sizeBytes(): number {
    return (2 + Math.ceil(this.#image.bytes / pageBytes)) * pageBytes;
  }

  sizeInUseBytes(): number {
    return this.sizeBytes();
  }

  isWithin(quotaBytes: number): boolean {
    return this.sizeInUseBytes() <= quotaBytes;
  }

  vacuum(): void {}

  copyTo(): void {
    throw new Error('a simulated disk has no files');
  }

  close(): void {
    this.#disk.crash(false);
  }

  #change(change: Change): void {
    // Outside of a transaction each change is one, as in SQLite.
    if (this.#transaction) this.#transaction.push(change);
    this.#image.change(change);
    if (!this.#transaction) this.#disk.committed([change]);
  }
}
