/**
 * The Snapshot RPC: the store as a database file of etcd, and then its SHA-256, so that etcdctl can look at it and real
 * etcd be restored from it. SQLite copies what is committed; everything after that works on the copy, beside requests.
 */
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, createReadStream, openSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { type Clock, nextTurn } from '#base/clock.ts';
import { openEmbeddedSnapshot } from '../snapshot/embedded-snapshot.ts';
import { writeEtcdSnapshot } from '../snapshot/etcd-snapshot.ts';
import type { Store } from '../store.ts';
import type { ServerStream } from './grpc-server.ts';

const pieceBytes = 64 * 1024;
/** Written in one turn; some milliseconds. */
const turnBytes = 256 * 1024;
const turnEntries = 500;

type Stream = ServerStream<unknown, unknown>;

/** Both files are named so that the next start removes what a killed process leaves. */
export async function sendSnapshot(store: Store, stream: Stream, header: () => object, clock: Clock): Promise<void> {
  const copy = `${store.database.path}.snapshot-${randomUUID()}`;
  const file = `${copy}-etcd`;
  try {
    await store.exclusively(() => store.database.copyTo(copy));
    const sizeBytes = await convert(copy, file, stream, clock);
    await rm(copy);
    if (!stream.cancelled) await send(file, sizeBytes, stream, header);
  } finally {
    await Promise.all([copy, file].map((path) => rm(path, { force: true })));
  }
}

async function convert(copy: string, file: string, stream: Stream, clock: Clock): Promise<number> {
  const contents = openEmbeddedSnapshot(copy, true);
  const fd = openSync(file, 'wx', 0o600);
  let [bytesSince, entriesSince] = [0, 0];
  try {
    return await writeEtcdSnapshot(contents, fd, (bytes) => {
      bytesSince += bytes;
      if (++entriesSince < turnEntries && bytesSince < turnBytes) return undefined;
      [bytesSince, entriesSince] = [0, 0];
      if (stream.cancelled) throw new Cancelled();
      return nextTurn(clock);
    });
  } catch (error) {
    if (error instanceof Cancelled) return 0;
    throw error;
  } finally {
    closeSync(fd);
    contents.close();
  }
}

/** The client has gone: nobody wants the rest. */
class Cancelled extends Error {}

async function send(file: string, sizeBytes: number, stream: Stream, header: () => object): Promise<void> {
  let remainingBytes = sizeBytes;
  const hash = createHash('sha256');
  const write = async (blob: Buffer) => {
    if (!stream.write({ header: header(), remainingBytes, blob })) {
      await Promise.race([once(stream, 'drain'), once(stream, 'cancelled')]);
    }
  };
  for await (const piece of createReadStream(file, { highWaterMark: pieceBytes })) {
    remainingBytes -= piece.length;
    hash.update(piece);
    await write(piece);
    if (stream.cancelled) return;
  }
  await write(hash.digest());
}
