import { crc32 } from 'node:zlib';
import type { Database } from '../backend/database.ts';
import type { KvStore } from './kv-store.ts';

/** A checksum of what can be read at a revision (0: now): the same for stores that hold the same. */
export function hashHistory(kv: KvStore, database: Database, revision: number): number {
  const at = kv.checkReadable(revision);
  let hash = 0;
  for (const row of kv.history(0, at + 1)) {
    hash = crc32(`${row.main}.${row.sub}.${row.version}.${row.lease}`, hash);
    hash = crc32(row.key, hash);
    if (row.version > 0) hash = crc32(database.read(row.main, row.sub).value, hash);
  }
  return hash;
}
