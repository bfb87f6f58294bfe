/**
 * All that a store holds, whichever file it is in. Every way from one file to another (save, restore, migrate) reads
 * Contents and writes Contents, so that each kind of file is known to one reader and one writer.
 */
import type { KvRow } from '../backend/database.ts';

export interface Contents {
  /** `embedded` or `etcd`: whose file it is. */
  readonly kind: SnapshotKind;
  /** The file. */
  readonly path: string;
  /** The newest revision whose history is gone; 0: none. */
  readonly compactRevision: number;
  /** What the next write comes after. */
  readonly revision: number;
  /** Of the file; for progress, and what etcd calls the total size. */
  readonly sizeBytes: number;
  leases(): Iterable<StoredLease>;
  /** Every revision of every key that is kept, in the order of history; once. */
  rows(): Iterable<KvRow>;
  close(): void;
}

export type SnapshotKind = 'embedded' | 'etcd';

export interface StoredLease {
  id: bigint;
  ttlSeconds: number;
}

/**
 * Called for each entry on its way, with its size. What it returns is waited for: so progress can be shown and a signal
 * heard; it throws (or rejects) to end it all.
 */
export type Pace = (bytes: number) => Promise<void> | undefined;

/** A row's id leaves 39 bits for the revision; one is kept free, as in KvStore. */
export const revisionMax = 2 ** 38 - 1;

/**
 * The same data `by` revisions later, with all history compacted. Nobody was ever told of a revision beyond, so no client's
 * can be newer than the store's: who asks for an older one is told to begin anew.
 */
export function bumpRevision(contents: Contents, by: number): Contents {
  const revision = contents.revision + by;
  return {
    kind: contents.kind,
    path: contents.path,
    sizeBytes: contents.sizeBytes,
    compactRevision: revision,
    revision,
    leases: () => contents.leases(),
    rows: () => contents.rows(),
    close: () => contents.close(),
  };
}
