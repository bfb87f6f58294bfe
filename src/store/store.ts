/**
 * The store behind the RPCs: every request of etcd's API as one method. Changes go through the group commit and are
 * answered when durable; reads wait for a commit that is under way, and so never see what could still be lost.
 */
import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import type { RangeResponse } from '#etcd/key-value.ts';
import {
  AlarmType,
  type DeleteRangeRequest,
  type PutRequest,
  type RangeRequest,
  type TxnRequest,
} from '#etcd/messages.ts';
import { type Alarm, Alarms } from './alarms.ts';
import type { Database } from './backend/database.ts';
import { GroupCommit } from './backend/group-commit.ts';
import { type Lease, Lessor } from './lease/lessor.ts';
import { hashHistory } from './mvcc/hash-history.ts';
import { KvStore, latin1 } from './mvcc/kv-store.ts';
import * as requests from './mvcc/requests.ts';
import { WatchHub } from './mvcc/watch-hub.ts';
import { hasPut, isReadOnly } from './rpc/check-request.ts';
import { errors } from './store-error.ts';

export interface StoreOptions {
  database: Database;
  clock: Clock;
  log: Logger;
  randomId: () => bigint;
  /** 0: 2 GiB, as in etcd. */
  quotaBackendBytes: number;
  /** The disk failed: the process must end. */
  onFatal: (error: Error) => void;
}

/** With less left on the disk nothing is written: a commit that finds no room would end the process. */
const diskBytesMin = 4 * 1024 * 1024;
/** With less left nothing is added; what makes room is still done. Two journals and some to spare. */
const diskReserveBytes = 24 * 1024 * 1024;

/** Keys looked at in one commit of a compaction. */
const compactKeysMax = 2000;

export class Store {
  readonly database: Database;
  readonly watches: WatchHub;
  readonly lessor: Lessor;
  readonly alarms: Alarms;
  readonly #kv: KvStore;
  readonly #commit: GroupCommit;
  readonly #quotaBytes: number;
  readonly #log: Logger;
  #compaction: Promise<void> = Promise.resolve();
  /** Writes are refused until others made room. */
  isDiskShort = false;

  constructor({ database, clock, log, randomId, quotaBackendBytes, onFatal }: StoreOptions) {
    this.database = database;
    this.alarms = new Alarms(database);
    this.#log = log;
    this.#quotaBytes = quotaBackendBytes || 2 * 1024 ** 3;
    this.lessor = new Lessor(database, clock, randomId);
    this.#kv = new KvStore(database, this.lessor);
    this.watches = new WatchHub(this.#kv, clock);
    this.#commit = new GroupCommit(database, clock, () => this.watches.publish(), onFatal);
  }

  start(): void {
    this.lessor.start((id) => {
      this.leaseRevoke(id).catch((error: unknown) => {
        this.#log.warn({ error: String(error) }, 'an expired lease is kept for now');
        this.lessor.expireLater(id);
      });
    });
    // What a compaction before a crash did not get to.
    if (this.#kv.compactRevision > 0) this.#compaction = this.#dropCompacted();
  }

  /** Nothing new is taken; what was taken is finished. */
  async stop(): Promise<void> {
    this.lessor.stop();
    await this.#commit.close();
  }

  get revision(): number {
    return this.#kv.revision;
  }

  get compactRevision(): number {
    return this.#kv.compactRevision;
  }

  get keyCount(): number {
    return this.#kv.keyCount;
  }

  get commits(): number {
    return this.#commit.commits;
  }

  range(request: RangeRequest): RangeResponse | Promise<RangeResponse> {
    return this.#commit.read(() => requests.range(this.#kv, request));
  }

  put(request: PutRequest) {
    return this.#commit.submit(() => {
      this.#checkSpace();
      requests.checkPut(this.#kv, request, this.#hasLease);
      return this.#write(() => requests.put(this.#kv, request));
    });
  }

  deleteRange(request: DeleteRangeRequest) {
    return this.#commit.submit(() => {
      this.#checkWritable();
      return this.#write(() => requests.deleteRange(this.#kv, request));
    });
  }

  txn(request: TxnRequest) {
    if (isReadOnly(request)) {
      return this.#commit.read(() => {
        const plan = requests.planTxn(this.#kv, request);
        requests.checkPlan(this.#kv, plan, this.#hasLease);
        return requests.txn(this.#kv, plan);
      });
    }
    return this.#commit.submit(() => {
      if (hasPut(request)) this.#checkSpace();
      else this.#checkWritable();
      const plan = requests.planTxn(this.#kv, request);
      requests.checkPlan(this.#kv, plan, this.#hasLease);
      return this.#write(() => requests.txn(this.#kv, plan));
    });
  }

  /** `physical`: answered when the rows are gone, not only unreachable. */
  async compact(revision: number, physical: boolean): Promise<void> {
    await this.#commit.submit(() => {
      this.#checkWritable();
      this.#kv.compact(revision);
      this.#commit.markDirty();
    });
    this.#compaction = this.#compaction.then(() => this.#dropCompacted());
    if (physical) await this.#compaction;
  }

  leaseGrant(id: bigint, ttlSeconds: number): Promise<Lease> {
    return this.#commit.submit(() => {
      this.#checkSpace();
      const lease = this.lessor.grant(id, ttlSeconds);
      this.#commit.markDirty();
      return lease;
    });
  }

  /** The revision at which its keys are gone. */
  leaseRevoke(id: bigint): Promise<number> {
    return this.#commit.submit(() => {
      this.#checkWritable();
      const keys = this.lessor.remove(id);
      this.#commit.markDirty();
      this.#write(() => {
        for (const key of keys) this.#kv.deleteRange({ key, end: undefined });
      });
      return this.#kv.revision;
    });
  }

  leaseKeys(lease: Lease): Buffer[] {
    return [...lease.keys].map((key) => Buffer.from(key, 'latin1'));
  }

  alarmActivate(memberId: bigint, type: AlarmType): Promise<Alarm[]> {
    return this.#commit.submit(() => {
      this.#commit.markDirty();
      return this.alarms.activate(memberId, type);
    });
  }

  alarmDeactivate(memberId: bigint, type: AlarmType): Promise<Alarm[]> {
    return this.#commit.submit(() => {
      this.#commit.markDirty();
      return this.alarms.deactivate(memberId, type);
    });
  }

  hash(revision: number): Promise<number> {
    return Promise.resolve(this.#commit.read(() => hashHistory(this.#kv, this.database, revision)));
  }

  /** When no commit is under way: for copies of the file and its reorganization. */
  exclusively<T>(work: () => T): Promise<T> {
    return Promise.resolve(this.#commit.read(work));
  }

  /** Resolves once what was written is durable, so that a request seen as applied stays so. */
  settled(): Promise<void> {
    return Promise.resolve(this.#commit.read(() => {}));
  }

  readonly #hasLease = (id: bigint): boolean => this.lessor.get(id) !== undefined;

  #write<T>(change: () => T): T {
    this.#kv.begin();
    const result = change();
    const events = this.#kv.end();
    if (events.length > 0) {
      this.#commit.markDirty();
      this.watches.committing(events);
    }
    return result;
  }

  /** What is known to be damaged is not written to, nor a disk on which the commit would find no room. */
  #checkWritable(): void {
    if (this.alarms.has(AlarmType.CORRUPT)) throw errors.corrupt();
    if (this.#isDiskShort(diskBytesMin)) throw errors.noSpace();
  }

  /**
   * As in etcd, a store that reached its quota stays closed for what adds to it until somebody made room and disarms
   * the alarm. A full disk is no alarm: as soon as there is room again, writes go on.
   */
  #checkSpace(): void {
    this.#checkWritable();
    if (this.#isDiskShort(diskReserveBytes)) throw errors.noSpace();
    if (!this.alarms.has(AlarmType.NOSPACE)) {
      if (this.database.isWithin(this.#quotaBytes)) return;
      this.alarms.activate(this.database.memberId, AlarmType.NOSPACE);
      this.#commit.markDirty();
      this.#log.warn({ quotaBytes: this.#quotaBytes }, 'the quota is used up: compact, then disarm the alarm');
    }
    throw errors.noSpace();
  }

  #isDiskShort(wantedBytes: number): boolean {
    const freeBytes = this.database.freeDiskBytes();
    const isShort = freeBytes < wantedBytes;
    if (isShort !== this.isDiskShort && (isShort || freeBytes >= diskReserveBytes)) {
      this.isDiskShort = isShort;
      if (isShort) this.#log.error({ freeBytes, wantedBytes }, 'the disk is nearly full: writes are refused');
      else this.#log.info({ freeBytes }, 'there is room on the disk again: writes are taken');
    }
    return isShort;
  }

  async #dropCompacted(): Promise<void> {
    let after: string | undefined = latin1(Buffer.alloc(0));
    while (after !== undefined) {
      const from: string = after;
      try {
        after = await this.#commit.submit(() => {
          this.#commit.markDirty();
          return this.#kv.compactSome(from, compactKeysMax);
        });
      } catch {
        return; // stopping: the next start goes on with it
      }
    }
  }
}
