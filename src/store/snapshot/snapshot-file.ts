/**
 * Snapshot files, of the embedded store and of etcd: a database, and behind it the SHA-256 of its bytes. Which of the two
 * it is, the first bytes tell. Nothing of a file is believed before its hash was right, unless the operator says so.
 */
import { createHash } from 'node:crypto';
import { appendFileSync, closeSync, createReadStream, openSync, readSync, statSync } from 'node:fs';
import { OperatorError } from '#base/errors.ts';
import { looksLikeBolt } from './bolt/format.ts';
import type { Contents, Pace, SnapshotKind } from './contents.ts';
import { DamagedSnapshot } from './damaged-snapshot.ts';
import { openEmbeddedSnapshot } from './embedded-snapshot.ts';
import { type EtcdContents, openEtcdSnapshot } from './etcd-snapshot.ts';

export const hashBytes = 32;
/** Databases are whole sectors, so what is over is a hash: etcd's own rule. */
const sectorBytes = 512;
const sqliteMagic = 'SQLite format 3\0';
export const pieceBytes = 1024 * 1024;

export type OpenedSnapshot = Contents | EtcdContents;

export interface OpenOptions {
  /** Take a file whose hash is missing or wrong. */
  skipHashCheck: boolean;
  pace: Pace;
}

export async function openSnapshot(path: string, { skipHashCheck, pace }: OpenOptions): Promise<OpenedSnapshot> {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) throw new OperatorError(`${path} does not exist: give a file that evenkeel or etcdctl saved`);
  if (!stat.isFile()) throw new OperatorError(`${path} is not a file: give one that evenkeel or etcdctl saved`);
  const kind = kindOf(path);
  if (!kind) {
    const what = stat.size === 0 ? 'is empty' : 'is neither a snapshot of evenkeel nor of etcd';
    throw new OperatorError(`${path} ${what}: give a file that evenkeel or etcdctl saved`);
  }
  const hasHash = stat.size % sectorBytes === hashBytes;
  if (!skipHashCheck) await verify(path, stat.size, hasHash, pace);
  return readably(path, () => openData(path, kind, hasHash ? stat.size - hashBytes : stat.size, !skipHashCheck));
}

export function openData(path: string, kind: SnapshotKind, sizeBytes: number, isVerified: boolean): OpenedSnapshot {
  return kind === 'etcd' ? openEtcdSnapshot(path, sizeBytes) : openEmbeddedSnapshot(path, isVerified);
}

export function kindOf(path: string): SnapshotKind | undefined {
  const start = Buffer.alloc(64);
  const fd = openSync(path, 'r');
  try {
    readSync(fd, start, 0, start.length, 0);
  } finally {
    closeSync(fd);
  }
  if (start.toString('latin1', 0, sqliteMagic.length) === sqliteMagic) return 'embedded';
  return looksLikeBolt(start) ? 'etcd' : undefined;
}

async function verify(path: string, sizeBytes: number, hasHash: boolean, pace: Pace): Promise<void> {
  if (!hasHash) {
    throw new OperatorError(
      `${path} has no hash at its end: it is cut off, or a copy of a data file; if you know that it is whole, use --skip-hash-check`,
    );
  }
  const { actual, stored } = await hashesOf(path, sizeBytes, pace);
  if (!actual.equals(stored)) {
    throw new OperatorError(
      `${path} is damaged: its SHA-256 is ${actual.toString('hex')}, and was ${stored.toString('hex')} when it was saved; take another snapshot, or see what is left with --skip-hash-check`,
    );
  }
}

async function hashesOf(path: string, sizeBytes: number, pace: Pace): Promise<{ actual: Buffer; stored: Buffer }> {
  const actual = await hashOf(path, sizeBytes - hashBytes, pace);
  const stored = Buffer.alloc(hashBytes);
  const fd = openSync(path, 'r');
  readSync(fd, stored, 0, hashBytes, sizeBytes - hashBytes);
  closeSync(fd);
  return { actual, stored };
}

/** SHA-256 of the first so many bytes. */
export async function hashOf(path: string, sizeBytes: number, pace: Pace): Promise<Buffer> {
  const hash = createHash('sha256');
  if (sizeBytes > 0) {
    for await (const piece of createReadStream(path, { end: sizeBytes - 1, highWaterMark: pieceBytes })) {
      hash.update(piece);
      await pace(piece.length);
    }
  }
  return hash.digest();
}

/** The last step of making one. */
export async function appendHash(path: string, sizeBytes: number, pace: Pace = () => undefined): Promise<void> {
  appendFileSync(path, await hashOf(path, sizeBytes, pace));
}

/** What is wrong with a file becomes one line that names it and the remedy. */
export function readably<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw readable(path, error);
  }
}

export function readable(path: string, error: unknown): unknown {
  if (error instanceof DamagedSnapshot) {
    return new OperatorError(`${path} cannot be used: ${error.message}; give another snapshot`, { cause: error });
  }
  const { code, errcode = 0, message } = error as { code?: string; errcode?: number; message: string };
  if (code !== 'ERR_SQLITE_ERROR') return error;
  if ((errcode & 0xff) === 13) return new OperatorError(`no room: ${message}; make some, or choose another disk`);
  return new OperatorError(`${path} cannot be used: ${message}; give another snapshot`, { cause: error });
}
