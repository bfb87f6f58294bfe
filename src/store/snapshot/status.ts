/** What `snapshot status` says, as etcdctl says it. */
import type { Contents, Pace } from './contents.ts';
import { crc32c } from './crc32c.ts';
import { type EtcdContents, etcdBuckets } from './etcd-snapshot.ts';
import { readable } from './snapshot-file.ts';

export interface SnapshotStatus {
  /** CRC-32C of everything in it: of an embedded store's, as it would be in a database of etcd. */
  hash: number;
  revision: number;
  /** Entries of all buckets: revisions of keys, leases, and a few about the store itself. */
  totalKey: number;
  totalSize: number;
}

export async function snapshotStatus(contents: Contents | EtcdContents, pace: Pace): Promise<SnapshotStatus> {
  let hash = 0;
  let totalKey = 0;
  try {
    for (const { name, entries } of 'buckets' in contents ? contents.buckets() : etcdBuckets(contents)) {
      hash = crc32c(Buffer.from(name), hash);
      for (const { key, value } of entries) {
        hash = crc32c(value, crc32c(key, hash));
        totalKey++;
        await pace(key.length + value.length);
      }
    }
  } catch (error) {
    throw readable(contents.path, error);
  }
  return { hash, revision: contents.revision, totalKey, totalSize: contents.sizeBytes };
}
