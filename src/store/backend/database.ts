/**
 * The file the store lives in. Owns `store.db` and the exclusive lock on it; one connection, no other writer. Opening
 * decides whose file it is before SQLite touches it: a foreign, newer or broken one is refused and left as it was.
 *
 * A row of `kv` is one revision of one key and never changes; compaction deletes rows. Its id holds both halves of
 * the revision, main << 24 | sub, so that ids are in the order of history.
 */
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Clock } from '#base/clock.ts';
import { OperatorError } from '#base/errors.ts';
import { checkJournal, JournalMark, syncDirectory } from './journal.ts';
import { journalSync } from './journal-sync.ts';

/** Changes of one transaction; sub is the low 24 bits of a row's id. */
export const subRevisionMax = 0xff_ffff;
export const rowId = (main: number, sub: number): bigint => (BigInt(main) << 24n) | BigInt(sub);

export interface KvRow {
  main: number;
  sub: number;
  key: Buffer;
  createRevision: number;
  /** 0: the key was deleted. */
  version: number;
  lease: bigint;
  value: Buffer;
}

/** A database that was opened holds nothing that a power cut could take back: test/sim/database-contract.sim.test.ts. */
export interface Database {
  readonly path: string;
  /** Chosen when the file was made. */
  readonly clusterId: bigint;
  readonly memberId: bigint;
  /** Counts the openings: stands in for the raft term. */
  readonly term: number;
  begin(): void;
  /** In the file's journal, but not yet proof against power loss: sync() makes it so. */
  commit(): void;
  /** Beside the event loop, but for a request that is alone: then `done` may be called before it returns. */
  sync(done: (error: Error | null) => void, isAlone: boolean): void;
  insert(row: KvRow): void;
  delete(main: number, sub: number): void;
  /** The value and lease of one revision. */
  read(main: number, sub: number): { value: Buffer; lease: bigint };
  /** Rows of revisions from ≤ main < before, in order, without their values. */
  history(from: number, before: number): IterableIterator<Omit<KvRow, 'value'>>;
  putLease(id: bigint, ttlSeconds: number): void;
  deleteLease(id: bigint): void;
  leases(): { id: bigint; ttlSeconds: number }[];
  compactRevision: number;
  /** As alarms.ts writes it. */
  alarms: string;
  /** What the file system has left for us, as of a moment ago. */
  freeDiskBytes(): number;
  sizeBytes(): number;
  sizeInUseBytes(): number;
  /** Asked before each write, and so looked up only when it could be otherwise. */
  isWithin(quotaBytes: number): boolean;
  vacuum(): void;
  /** Writes a copy of the committed state into a new file. */
  copyTo(path: string): void;
  close(): void;
}

/** Copies that were being sent when the process ended. */
const copyPrefix = 'store.db.snapshot-';

export const applicationId = 0x45764b6c;
export const schemaVersion = 1;
const magic = 'SQLite format 3\0';

const schema = `
  CREATE TABLE kv (id INTEGER PRIMARY KEY, key BLOB NOT NULL, value BLOB, create_revision INTEGER NOT NULL,
    version INTEGER NOT NULL, lease INTEGER NOT NULL) STRICT;
  CREATE TABLE lease (id INTEGER PRIMARY KEY, ttl INTEGER NOT NULL) STRICT;
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
`;

export interface DatabaseOptions {
  /** The journal is moved back into the file when it is as long as this. */
  checkpointPages?: number;
}

export function openDatabase(
  dataDir: string,
  randomId: () => bigint,
  clock: Pick<Clock, 'monotonic'>,
  options: DatabaseOptions = {},
): Database {
  const path = join(dataDir, 'store.db');
  if (existsSync(join(dataDir, 'member', 'snap', 'db'))) {
    throw new OperatorError(`${dataDir} belongs to another etcd: choose an empty directory with --data-dir`);
  }
  try {
    const made = mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    if (made) syncDirectory(dirname(made));
    checkHeader(path);
    checkJournal(path);
    for (const name of readdirSync(dataDir)) if (name.startsWith(copyPrefix)) rmSync(join(dataDir, name));
  } catch (error) {
    throw readable(error, path);
  }
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path);
    return prepare(db, path, randomId, clock, options.checkpointPages ?? checkpointPagesDefault);
  } catch (error) {
    db?.close();
    throw readable(error, path);
  }
}

/** By the first 100 bytes of the file: SQLite itself would already replay a journal it finds beside a foreign file. */
function checkHeader(path: string): void {
  const isInterrupted = existsSync(`${path}-journal`);
  if (!existsSync(path) || statSync(path).size === 0 || isInterrupted) return;
  const header = Buffer.alloc(100);
  const fd = openSync(path, 'r');
  const length = readSync(fd, header, 0, 100, 0);
  closeSync(fd);
  if (length < 100 || header.toString('latin1', 0, 16) !== magic) {
    throw new OperatorError(`${path} is not a database, or is damaged: restore a snapshot, or move it away`);
  }
  checkIdentity(path, header.readUInt32BE(68), header.readUInt32BE(60));
}

function checkIdentity(path: string, application: number, version: number): void {
  if (application !== applicationId) {
    throw new OperatorError(`${path} belongs to another program: choose another directory with --data-dir`);
  }
  if (version > schemaVersion) {
    throw new OperatorError(
      `${path} was written by a newer version (format ${version}, this one reads ${schemaVersion}): use that version`,
    );
  }
}

function readable(error: unknown, path: string): unknown {
  if (error instanceof OperatorError) return error;
  const { errcode, code, message } = error as { errcode?: number; code?: string; message: string };
  const sqliteCode = (errcode ?? 0) & 0xff;
  if (sqliteCode === 5)
    return new OperatorError(`${path} is in use by another process: stop it, or choose another --data-dir`);
  if (sqliteCode === 11 || sqliteCode === 26) {
    return new OperatorError(`${path} is damaged (${message}): restore a snapshot, or move it away`);
  }
  if (sqliteCode === 13 || code === 'ENOSPC' || code === 'EDQUOT') {
    return new OperatorError(`no room for ${path} on the disk: make room, or choose another --data-dir`);
  }
  if (
    sqliteCode === 14 ||
    sqliteCode === 8 ||
    code === 'EACCES' ||
    // What mkdir says of parents that it may not make.
    code === 'ENOENT' ||
    code === 'ENOTDIR' ||
    code === 'EEXIST' ||
    code === 'EROFS'
  ) {
    return new OperatorError(`cannot write in ${path}: ${message}; choose another directory with --data-dir`);
  }
  return error;
}

function prepare(
  db: DatabaseSync,
  path: string,
  randomId: () => bigint,
  clock: Pick<Clock, 'monotonic'>,
  checkpointPages: number,
): Database {
  db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;');
  const pragma = (name: string) => Number(Object.values(db.prepare(`PRAGMA ${name}`).get()!)[0]);
  const isNew = pragma('application_id') === 0 && pragma('schema_version') === 0;
  if (isNew) {
    db.exec(schema);
    db.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${schemaVersion};`);
  }
  checkIdentity(path, pragma('application_id'), pragma('user_version'));
  db.exec('COMMIT');
  // The commit is synced by sync() below, off the main thread: SQLite itself syncs only around checkpoints, which are
  // ours as well, because it keeps quiet about those of its own that fail.
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;');
  db.exec('PRAGMA cache_size = -8000; PRAGMA temp_store = MEMORY;');

  const sql = (text: string): StatementSync => db.prepare(text);
  // Every run() reports the connection's last row id, which outgrows JS numbers.
  const change = (text: string): StatementSync => {
    const statement = db.prepare(text);
    statement.setReadBigInts(true);
    return statement;
  };
  const getMeta = sql('SELECT value FROM meta WHERE name = ?');
  const putMeta = change('INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value');
  const meta = (name: string): string | undefined => getMeta.get(name)?.['value'] as string | undefined;
  const once = (name: string, make: () => string): string => {
    const known = meta(name);
    if (known !== undefined) return known;
    const value = make();
    putMeta.run(name, value);
    return value;
  };
  const term = Number(meta('term') ?? '1') + 1;
  db.exec('BEGIN');
  const clusterId = BigInt(once('cluster_id', () => String(randomId())));
  const memberId = BigInt(once('member_id', () => String(randomId())));
  try {
    putMeta.run('term', String(term));
    db.exec('COMMIT');
  } catch (error) {
    // On a full disk what is there can still be read.
    if (isNew || !isFull(error)) throw error;
    if (db.isTransaction) db.exec('ROLLBACK');
  }
  let compactRevision = Number(meta('compact_revision') ?? '0');
  let alarms = meta('alarms') ?? '';

  const insert = change('INSERT INTO kv VALUES (?, ?, ?, ?, ?, ?)');
  const remove = change('DELETE FROM kv WHERE id = ?');
  const read = sql('SELECT value, CAST(lease AS TEXT) AS lease FROM kv WHERE id = ?');
  const columns = 'id >> 24 AS main, id & 16777215 AS sub, key, create_revision, version, CAST(lease AS TEXT) AS lease';
  const scan = sql(`SELECT ${columns} FROM kv WHERE id >= ? AND id < ? ORDER BY id LIMIT ${historyPageRows}`);
  const begin = change('BEGIN');
  const commit = change('COMMIT');
  const putLease = change('INSERT INTO lease VALUES (?, ?)');
  const deleteLease = change('DELETE FROM lease WHERE id = ?');
  const pageSize = pragma('page_size');
  const pageCount = sql('PRAGMA page_count');
  const freePages = sql('PRAGMA freelist_count');
  const number = (statement: StatementSync) => Number(Object.values(statement.get()!)[0]);
  // The journal keeps its inode for as long as we are open; closing another descriptor of it drops no lock of SQLite.
  const walFd = openSync(`${path}-wal`, 'r+');
  // What a process left behind that ended before its sync is read from here on: it must not be lost to a power cut any
  // more, nor the journal's name.
  fdatasyncSync(walFd);
  syncDirectory(dirname(path));
  const syncJournal = journalSync(walFd, clock);
  const mark = new JournalMark(path, walFd);
  const journalPages = sql('PRAGMA wal_checkpoint(NOOP)');
  const writeBack = sql('PRAGMA wal_checkpoint(PASSIVE)');
  try {
    // First all of it in the file, then no mark, then no journal: whatever is cut short leaves a state that opens.
    writeBack.get();
    mark.remove();
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  } catch (error) {
    if (!isFull(error)) throw error;
  }

  /** Moves the journal back into the file when it is long. A full disk puts it off; any other failure ends us. */
  let fault: unknown;
  /** Only what moved the journal back can have it start anew. */
  let isMarkDue = true;
  let pagesGuess = 0;
  const checkpoint = () => {
    pagesGuess += commitPagesGuess;
    if (pagesGuess < checkpointPages) return;
    pagesGuess = 0;
    try {
      if (Number(journalPages.get()!['log']) < checkpointPages) return;
      writeBack.get();
      isMarkDue = true;
    } catch (error) {
      if (!isFull(error)) fault = error;
    }
  };

  const freeDisk = () => {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize;
  };
  let freeBytes = freeDisk();
  let bytesSinceLook = 0;

  let inUseBytes = 0;
  /** What was written since may have added so much. */
  let addedBytesMax = Number.POSITIVE_INFINITY;

  return {
    path,
    clusterId,
    memberId,
    term,
    begin() {
      if (fault) throw fault;
      begin.run();
    },
    commit: () => void commit.run(),
    sync(done, isAlone) {
      const settled = (error: Error | null) => {
        done(error);
        if (!error) checkpoint();
      };
      const marked = () => {
        isMarkDue = false;
        settled(null);
      };
      syncJournal((error) => {
        bytesSinceLook += lookEveryBytes / 64;
        if (error || !isMarkDue || mark.isCurrent) settled(error);
        else mark.write().then(marked, settled);
      }, isAlone);
    },
    insert(row) {
      const bytes = row.key.length + row.value.length;
      bytesSinceLook += bytes;
      pagesGuess += bytes / pageSize;
      addedBytesMax += bytes + rowPagesMax * pageSize;
      const value = row.version === 0 ? null : row.value;
      insert.run(rowId(row.main, row.sub), row.key, value, row.createRevision, row.version, row.lease);
    },
    delete: (main, sub) => void remove.run(rowId(main, sub)),
    read(main, sub) {
      const row = read.get(rowId(main, sub));
      if (!row) throw new Error(`revision ${main}.${sub} is in the index, but not in ${path}`);
      return { value: asBuffer(row['value']), lease: asLease(row['lease']) };
    },
    *history(from, before) {
      const end = rowId(before, 0);
      for (let at = rowId(from, 0); ; ) {
        const rows = scan.all(at, end);
        for (const row of rows) yield kvRow(row);
        const last = rows.at(-1);
        if (!last || rows.length < historyPageRows) return;
        at = rowId(Number(last['main']), Number(last['sub']) + 1);
      }
    },
    putLease(id, ttlSeconds) {
      addedBytesMax += rowPagesMax * pageSize;
      putLease.run(id, ttlSeconds);
    },
    deleteLease: (id) => void deleteLease.run(id),
    leases: () =>
      db
        .prepare('SELECT CAST(id AS TEXT) AS id, ttl FROM lease')
        .all()
        .map((row) => ({ id: BigInt(row['id'] as string), ttlSeconds: Number(row['ttl']) })),
    get compactRevision() {
      return compactRevision;
    },
    set compactRevision(revision) {
      compactRevision = revision;
      putMeta.run('compact_revision', String(revision));
    },
    get alarms() {
      return alarms;
    },
    set alarms(text) {
      alarms = text;
      putMeta.run('alarms', text);
    },
    freeDiskBytes() {
      if (bytesSinceLook >= lookEveryBytes || freeBytes < scarceBytes) {
        freeBytes = freeDisk();
        bytesSinceLook = 0;
      }
      return freeBytes;
    },
    sizeBytes: () => number(pageCount) * pageSize,
    sizeInUseBytes: () => (number(pageCount) - number(freePages)) * pageSize,
    isWithin(quotaBytes) {
      if (inUseBytes + addedBytesMax <= quotaBytes) return true;
      inUseBytes = (number(pageCount) - number(freePages)) * pageSize;
      addedBytesMax = 0;
      return inUseBytes <= quotaBytes;
    },
    // The file gets shorter only once the journal is back in it.
    vacuum() {
      db.exec('VACUUM; PRAGMA wal_checkpoint(PASSIVE)');
      isMarkDue = true;
    },
    copyTo: (copy) => void change('VACUUM INTO ?').run(copy),
    close() {
      // Emptied before the mark goes, and only then deleted: whatever is cut short here leaves a state that opens.
      const left = emptyJournal(db);
      if (left === undefined) mark.remove();
      closeSync(walFd);
      db.close();
    },
  };
}

/** What a row may add to the file on top of its texts: a page of its own, and one or two of the tree above it. */
const rowPagesMax = 3;

/** How often the journal's length is looked at: that takes some microseconds. */
const commitPagesGuess = 64;
/** 8 MB. */
const checkpointPagesDefault = 2000;
/** The disk is looked at again after this much was written, or 64 commits. */
const lookEveryBytes = 1024 * 1024;
/** Less than this is looked at every time. */
const scarceBytes = 128 * 1024 * 1024;

const isFull = (error: unknown): boolean => ((error as { errcode?: number }).errcode ?? 0) % 256 === 13;

/** What kept it from being emptied. */
function emptyJournal(db: DatabaseSync): unknown {
  try {
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Rows read at a time, so that a long history is never in memory as a whole. */
const historyPageRows = 512;

const empty = Buffer.alloc(0);

function kvRow(row: Record<string, unknown>): Omit<KvRow, 'value'> {
  return {
    main: Number(row['main']),
    sub: Number(row['sub']),
    key: asBuffer(row['key']),
    createRevision: Number(row['create_revision']),
    version: Number(row['version']),
    lease: asLease(row['lease']),
  };
}

function asBuffer(value: unknown): Buffer {
  if (!(value instanceof Uint8Array)) return empty;
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

const asLease = (text: unknown): bigint => (text === '0' ? 0n : BigInt(text as string));
