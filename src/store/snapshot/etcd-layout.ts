/**
 * What etcd keeps in which bucket, and how: as in its server/storage/schema and mvcc packages. Numbers are big-endian,
 * so that the order of bytes is the order of history.
 */
import { KeyValue } from '#etcd/key-value.ts';
import { id, int64, message } from '#etcd/wire.ts';
import { type KvRow, subRevisionMax } from '../backend/database.ts';
import { revisionMax } from './contents.ts';
import { DamagedSnapshot } from './damaged-snapshot.ts';
import { encodeKeyValue } from './encode-row.ts';

/** All that etcd makes in a new file, so that none of its releases misses one. */
export const Bucket = {
  alarm: 'alarm',
  auth: 'auth',
  authRoles: 'authRoles',
  authUsers: 'authUsers',
  cluster: 'cluster',
  key: 'key',
  lease: 'lease',
  members: 'members',
  membersRemoved: 'members_removed',
  meta: 'meta',
} as const;

export const MetaKey = {
  consistentIndex: 'consistent_index',
  finishedCompact: 'finishedCompactRev',
  scheduledCompact: 'scheduledCompactRev',
  term: 'term',
} as const;

/** In `auth`: one byte, 1 when users must log in. */
export const authEnabledKey = 'authEnabled';

/** leasepb.Lease; the time it had left is a hint that etcd, too, may be without. */
export const StoredLeaseMessage = message({ id: id(1), ttlSeconds: int64(2), remainingSeconds: int64(3) });

const revisionBytes = 17;
const separator = 0x5f;
const tombstone = 0x74;

/** `main _ sub`, and a `t` for a deletion. */
export function encodeRevision(main: number, sub: number, isTombstone = false): Buffer {
  const bytes = Buffer.allocUnsafe(isTombstone ? revisionBytes + 1 : revisionBytes);
  writeUInt64(bytes, main, 0);
  bytes[8] = separator;
  writeUInt64(bytes, sub, 9);
  if (isTombstone) bytes[revisionBytes] = tombstone;
  return bytes;
}

export function decodeRevision(bytes: Buffer): { main: number; sub: number; isTombstone: boolean } {
  const isTombstone = bytes.length === revisionBytes + 1 && bytes[revisionBytes] === tombstone;
  if ((bytes.length !== revisionBytes && !isTombstone) || bytes[8] !== separator)
    throw new DamagedSnapshot(`its bucket "key" has a key that is no revision: ${bytes.toString('hex', 0, 32)}`);
  const [main, sub] = [readUInt64(bytes, 0), readUInt64(bytes, 9)];
  if (main > revisionMax || sub > subRevisionMax)
    throw new DamagedSnapshot(`its revision ${main}.${sub} is larger than the embedded store can count`);
  return { main, sub, isTombstone };
}

/** An entry of the bucket `key`. A row is one to one with it. */
export function encodeRow(row: KvRow): { key: Buffer; value: Buffer } {
  const isTombstone = row.version === 0;
  const value = isTombstone ? KeyValue.encode({ ...deleted, key: row.key }) : encodeKeyValue(row);
  return { key: encodeRevision(row.main, row.sub, isTombstone), value };
}

/** A deletion carries nothing but its key. */
const deleted = { createRevision: 0, modRevision: 0, version: 0, value: Buffer.alloc(0), lease: 0n };

export function decodeRow(key: Buffer, value: Buffer): KvRow {
  const { main, sub, isTombstone } = decodeRevision(key);
  const kv = decodeMessage(KeyValue, value, `revision ${main}.${sub}`);
  // What etcd's own --bump-revision leaves, to hold the place of the revision: an entry without any content.
  const isPlaceholder = !isTombstone && value.length === 0;
  if (isTombstone || isPlaceholder) return { ...deleted, main, sub, key: kv.key };
  const { createRevision, version } = kv;
  if (kv.modRevision !== main || version < 1 || createRevision < 1 || createRevision > main)
    throw new DamagedSnapshot(
      `its revision ${main}.${sub} says that it is version ${version}, modified at ${kv.modRevision}`,
    );
  return { main, sub, key: kv.key, createRevision, version, lease: kv.lease, value: kv.value };
}

export function decodeMessage<T>(codec: { decode(bytes: Buffer): T }, bytes: Buffer, name: string): T {
  try {
    return codec.decode(bytes);
  } catch (cause) {
    throw new DamagedSnapshot(`its ${name} cannot be decoded`, { cause });
  }
}

export function encodeUInt64(value: number | bigint): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, BigInt(value)), 0);
  return bytes;
}

function writeUInt64(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  bytes.writeUInt32BE(value >>> 0, at + 4);
}

/** Beyond 2^53 not exact, and beyond every bound. */
function readUInt64(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}
