/**
 * A store made anew from contents: as the data directory of the embedded store, or as a snapshot for real etcd. Revisions,
 * versions, leases and history are kept; who the cluster was is not.
 *
 * The danger of every restore: clients know revisions that the restored store has yet to give out a second time, and
 * would take other changes for those. `bumpRevision` sets it so far ahead that none can be known.
 */
import { closeSync, openSync } from 'node:fs';
import { OperatorError } from '#base/errors.ts';
import { assertEmpty, makeDirectory, makeFile } from './atomic-output.ts';
import { bumpRevision, type Contents, type Pace, revisionMax } from './contents.ts';
import { writeEmbeddedData } from './embedded-snapshot.ts';
import { writeEtcdSnapshot } from './etcd-snapshot.ts';
import { assertReplaceable } from './save.ts';
import { appendHash, readable } from './snapshot-file.ts';

export interface Restored {
  /** Where the new store goes on. */
  revision: number;
  compactRevision: number;
  /** Entries, and bytes of keys and values. */
  rows: number;
  bytes: number;
  leases: number;
}

export interface RestoreOptions {
  /** Added to the revision, and everything before marked compacted; 0: go on where the snapshot ends. */
  bumpRevision: number;
  randomId: () => bigint;
  pace: Pace;
}

export async function restoreToDirectory(
  source: Contents,
  directory: string,
  { bumpRevision: by, randomId, pace }: RestoreOptions,
): Promise<Restored> {
  assertEmpty(directory);
  const { contents, restored } = counted(source, by);
  await withReadableErrors(source, () =>
    makeDirectory(directory, (temporary) => writeEmbeddedData(contents, temporary, randomId, pace)),
  );
  return restored;
}

export async function restoreToEtcdSnapshot(
  source: Contents,
  path: string,
  { bumpRevision: by, pace }: Omit<RestoreOptions, 'randomId'>,
): Promise<Restored> {
  assertReplaceable(path);
  const { contents, restored } = counted(source, by);
  await withReadableErrors(source, () =>
    makeFile(path, async (temporary) => {
      const fd = openSync(temporary, 'wx+', 0o600);
      let sizeBytes: number;
      try {
        sizeBytes = await writeEtcdSnapshot(contents, fd, pace);
      } finally {
        closeSync(fd);
      }
      await appendHash(temporary, sizeBytes);
    }),
  );
  return restored;
}

function counted(source: Contents, by: number): { contents: Contents; restored: Restored } {
  if (source.revision + by > revisionMax) {
    const room = revisionMax - source.revision;
    throw new OperatorError(
      `the snapshot is at revision ${source.revision}, and a store can count to ${revisionMax}: give --bump-revision ${room} or less`,
    );
  }
  const bumped = by > 0 ? bumpRevision(source, by) : source;
  const { revision, compactRevision } = bumped;
  const restored: Restored = { revision, compactRevision, rows: 0, bytes: 0, leases: 0 };
  const contents: Contents = {
    ...bumped,
    *rows() {
      for (const row of bumped.rows()) {
        restored.rows++;
        restored.bytes += row.key.length + row.value.length;
        yield row;
      }
    },
    *leases() {
      for (const lease of bumped.leases()) {
        restored.leases++;
        yield lease;
      }
    },
  };
  return { contents, restored };
}

async function withReadableErrors(source: Contents, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw readable(source.path, error);
  }
}
