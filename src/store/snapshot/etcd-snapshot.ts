/** Contents from and to a database file of etcd: what `etcdctl snapshot save` writes and `snapshot restore` takes. */
import { closeSync, openSync } from 'node:fs';
import type { KvRow } from '../backend/database.ts';
import { BoltFile } from './bolt/reader.ts';
import { BoltWriter } from './bolt/writer.ts';
import type { Contents, Pace, StoredLease } from './contents.ts';
import { DamagedSnapshot } from './damaged-snapshot.ts';
import {
  authEnabledKey,
  Bucket,
  decodeMessage,
  decodeRevision,
  decodeRow,
  encodeRevision,
  encodeRow,
  encodeUInt64,
  MetaKey,
  StoredLeaseMessage,
} from './etcd-layout.ts';

export interface EtcdContents extends Contents {
  /** Whether its clients must log in; the embedded store knows certificates only. */
  readonly hasUsers: boolean;
  /** As they are, of every bucket: what etcdctl's hash is made of. */
  buckets(): Iterable<EtcdBucket>;
}

export interface EtcdBucket {
  name: string;
  entries: Iterable<{ key: Buffer; value: Buffer }>;
}

/** `sizeBytes`: of the pages, without the hash that may follow. Throws a DamagedSnapshot for what does not hold. */
export function openEtcdSnapshot(path: string, sizeBytes: number): EtcdContents {
  const fd = openSync(path, 'r');
  try {
    const file = new BoltFile(fd, sizeBytes);
    const meta = new Map([...file.bucket(Bucket.meta)].map(({ key, value }) => [key.toString('latin1'), value]));
    const compactRevision = Math.max(
      revisionIn(meta.get(MetaKey.finishedCompact)),
      revisionIn(meta.get(MetaKey.scheduledCompact)),
    );
    return {
      kind: 'etcd',
      path,
      compactRevision,
      revision: Math.max(1, compactRevision, revisionIn(file.last(Bucket.key)?.key)),
      sizeBytes: file.sizeBytes,
      hasUsers: [...file.bucket(Bucket.auth)].some((e) => e.key.toString() === authEnabledKey && e.value[0] === 1),
      buckets: () => file.buckets(),
      leases: () => leasesIn(file),
      rows: () => rowsIn(file, compactRevision),
      close: () => closeSync(fd),
    };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function revisionIn(bytes: Buffer | undefined): number {
  return bytes ? decodeRevision(bytes).main : 0;
}

function* rowsIn(file: BoltFile, compactRevision: number): IterableIterator<KvRow> {
  for (const { key, value } of file.bucket(Bucket.key)) {
    const row = decodeRow(key, value);
    // What only holds the place of a revision is not needed where the compaction does.
    if (row.key.length > 0 || row.main > compactRevision) yield row;
  }
}

function* leasesIn(file: BoltFile): IterableIterator<StoredLease> {
  for (const { key, value } of file.bucket(Bucket.lease)) {
    const { id, ttlSeconds } = decodeMessage(StoredLeaseMessage, value, `lease ${key.toString('hex')}`);
    if (key.length !== 8 || key.readBigInt64BE(0) !== id || ttlSeconds < 1)
      throw new DamagedSnapshot(`its lease ${key.toString('hex')} says that it is ${id}, for ${ttlSeconds} s`);
    yield { id, ttlSeconds };
  }
}

/** The size of the file, which must be empty; the caller syncs and closes it. */
export async function writeEtcdSnapshot(contents: Contents, fd: number, pace: Pace): Promise<number> {
  const writer = new BoltWriter(fd);
  for (const { name, entries } of etcdBuckets(contents)) {
    const bucket = writer.bucket(name);
    for (const { key, value } of entries) {
      bucket.add(key, value);
      await pace(key.length + value.length);
    }
    bucket.end();
  }
  return writer.finish();
}

/** A store as etcd would keep it, buckets and entries in the order of their bytes. */
export function* etcdBuckets(contents: Contents): Iterable<EtcdBucket> {
  for (const name of Object.values(Bucket).sort()) {
    if (name === Bucket.key) yield { name, entries: keyEntries(contents) };
    else if (name === Bucket.lease) yield { name, entries: leaseEntries(contents) };
    else if (name === Bucket.meta) yield { name, entries: metaEntries(contents) };
    else yield { name, entries: [] };
  }
}

function* keyEntries({ rows, revision }: Contents) {
  let last = 1;
  for (const row of rows()) {
    last = row.main;
    yield encodeRow(row);
  }
  // Nothing is left of the newest revision: an entry without content holds its place, as after etcd's --bump-revision.
  if (last < revision) yield { key: encodeRevision(revision, 0), value: Buffer.alloc(0) };
}

function leaseEntries({ leases }: Contents) {
  return [...leases()]
    .map(({ id, ttlSeconds }) => ({ key: encodeUInt64(id), value: StoredLeaseMessage.encode({ id, ttlSeconds }) }))
    .sort((a, b) => Buffer.compare(a.key, b.key));
}

/**
 * The compaction is left as scheduled, which has etcd go through it once more at its start: it drops what was not yet
 * dropped. Index and term are those of a log that restoring begins anew.
 */
function* metaEntries({ compactRevision }: Contents) {
  yield { key: Buffer.from(MetaKey.consistentIndex), value: encodeUInt64(1) };
  if (compactRevision > 0)
    yield { key: Buffer.from(MetaKey.scheduledCompact), value: encodeRevision(compactRevision, 0) };
  yield { key: Buffer.from(MetaKey.term), value: encodeUInt64(1) };
}
