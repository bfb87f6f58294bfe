/** Contents from and to a database file of the embedded store. */
import { chmodSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { applicationId, type Database, type KvRow, openDatabase, schemaVersion } from '../backend/database.ts';
import type { Contents, Pace, StoredLease } from './contents.ts';
import { DamagedSnapshot } from './damaged-snapshot.ts';

/** For a database that syncs nothing in place: only that is timed. */
export const noClock = { monotonic: () => 0 };

/** Bytes of rows that share a transaction. */
const transactionBytes = 4 * 1024 * 1024;

/**
 * Reads the file as it is, without locks and journals: nobody may have it open. `isVerified`: its hash was right, so that
 * its pages need no check of their own.
 */
export function openEmbeddedSnapshot(path: string, isVerified: boolean): Contents {
  const url = pathToFileURL(path);
  url.search = '?mode=ro&immutable=1';
  const db = new DatabaseSync(url, { readOnly: true, enableDoubleQuotedStringLiterals: false });
  try {
    db.exec('PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA cache_size = -8000;');
    const number = (text: string) => Number(Object.values(db.prepare(text).get() ?? { none: 0 })[0] ?? 0);
    if (number('PRAGMA application_id') !== applicationId)
      throw new DamagedSnapshot('it is the database of another program');
    const version = number('PRAGMA user_version');
    if (version > schemaVersion)
      throw new DamagedSnapshot(`a newer version wrote it (format ${version}, this one reads ${schemaVersion})`);
    checkTables(db);
    if (!isVerified) checkPages(db);
    const compactRevision = number("SELECT value FROM meta WHERE name = 'compact_revision'");
    return {
      kind: 'embedded',
      path,
      compactRevision,
      revision: Math.max(1, compactRevision, number('SELECT max(id) >> 24 FROM kv')),
      sizeBytes: number('PRAGMA page_count') * number('PRAGMA page_size'),
      leases: () => leasesIn(db),
      rows: () => rowsIn(db),
      close: () => db.close(),
    };
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Views and triggers of a stranger could have us run anything. */
function checkTables(db: DatabaseSync): void {
  const found = db.prepare('SELECT type, name FROM sqlite_schema ORDER BY name').all();
  const names = found.map((row) => `${row['type']} ${row['name']}`).join(', ');
  if (names !== 'table kv, table lease, table meta') throw new DamagedSnapshot(`it holds ${names || 'nothing'}`);
}

function checkPages(db: DatabaseSync): void {
  const [first] = db.prepare('PRAGMA quick_check(1)').all();
  const verdict = String(Object.values(first ?? {})[0]);
  if (verdict !== 'ok') throw new DamagedSnapshot(verdict.replaceAll('\n', ' '));
}

function* rowsIn(db: DatabaseSync): IterableIterator<KvRow> {
  const statement = db.prepare(
    `SELECT id >> 24 AS main, id & 16777215 AS sub, key, value, create_revision, version, CAST(lease AS TEXT) AS lease
     FROM kv ORDER BY id`,
  );
  for (const row of statement.iterate()) {
    yield {
      main: row['main'] as number,
      sub: row['sub'] as number,
      key: asBuffer(row['key']),
      value: asBuffer(row['value']),
      createRevision: row['create_revision'] as number,
      version: row['version'] as number,
      lease: row['lease'] === '0' ? 0n : BigInt(row['lease'] as string),
    };
  }
}

function* leasesIn(db: DatabaseSync): IterableIterator<StoredLease> {
  for (const row of db.prepare('SELECT CAST(id AS TEXT) AS id, ttl FROM lease').iterate())
    yield { id: BigInt(row['id'] as string), ttlSeconds: row['ttl'] as number };
}

const empty = Buffer.alloc(0);

function asBuffer(value: unknown): Buffer {
  if (!(value instanceof Uint8Array)) return empty;
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

/**
 * A new database in an empty directory, with a cluster and a member of its own: who knew the old store must not take
 * this one for its continuation. All of it is in `store.db` and in the kernel's hands; the caller syncs it.
 */
export async function writeEmbeddedData(
  contents: Contents,
  directory: string,
  randomId: () => bigint,
  pace: Pace,
): Promise<void> {
  const database = openDatabase(directory, randomId, noClock);
  try {
    chmodSync(database.path, 0o600);
    database.begin();
    let pending = 0;
    for (const row of contents.rows()) {
      database.insert(row);
      const bytes = row.key.length + row.value.length;
      pending += bytes;
      if (pending > transactionBytes) {
        database.commit();
        await synced(database);
        database.begin();
        pending = 0;
      }
      await pace(bytes);
    }
    for (const { id, ttlSeconds } of contents.leases()) database.putLease(id, ttlSeconds);
    if (contents.compactRevision > 0) database.compactRevision = contents.compactRevision;
    database.commit();
  } finally {
    database.close();
  }
}

/** Has the journal moved back into the file from time to time: it would grow as large as the store. */
function synced(database: Database): Promise<void> {
  return new Promise((resolve, reject) => database.sync((error) => (error ? reject(error) : resolve()), false));
}
