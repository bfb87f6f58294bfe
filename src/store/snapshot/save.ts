/** Snapshots: of a server that runs, and of the directory of one that does not. */
import { createHash } from 'node:crypto';
import { closeSync, copyFileSync, existsSync, openSync, truncateSync, writeSync } from 'node:fs';
import { type Clock, sleep } from '#base/clock.ts';
import { OperatorError } from '#base/errors.ts';
import type { EtcdClient } from '#etcd/client.ts';
import { makeFile } from './atomic-output.ts';
import type { Pace } from './contents.ts';
import { appendHash, hashBytes, kindOf } from './snapshot-file.ts';
import { openDirectory } from './source.ts';

/** A server that sends nothing for so long is given up. */
const silenceMs = 30_000;

/** Another snapshot is replaced; anything else is somebody's. */
export function assertReplaceable(path: string): void {
  if (existsSync(path) && !kindOf(path))
    throw new OperatorError(`${path} exists and is no snapshot: choose another name`);
}

export interface ServerOptions {
  clock: Clock;
  signal: AbortSignal;
  pace: Pace;
}

export async function saveFromServer(client: EtcdClient, path: string, options: ServerOptions): Promise<void> {
  assertReplaceable(path);
  await makeFile(path, async (temporary) => {
    const fd = openSync(temporary, 'wx', 0o600);
    try {
      await receive(client, fd, options);
    } finally {
      closeSync(fd);
    }
  });
}

/** The last bytes are the hash of those before. */
async function receive(client: EtcdClient, fd: number, options: ServerOptions): Promise<void> {
  const hash = createHash('sha256');
  let tail: Buffer = Buffer.alloc(0);
  const pieces = client.snapshot()[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await inTime(pieces.next(), options);
      if (next.done) break;
      const piece = next.value;
      for (let done = 0; done < piece.length; ) done += writeSync(fd, piece, done);
      const bytes = Buffer.concat([tail, piece]);
      const end = Math.max(0, bytes.length - hashBytes);
      hash.update(bytes.subarray(0, end));
      tail = bytes.subarray(end);
      await options.pace(piece.length);
    }
  } finally {
    pieces.return?.().catch(() => {});
  }
  if (!hash.digest().equals(tail))
    throw new OperatorError('what the server sent does not have the hash it sent with it: try again');
}

async function inTime<T>(promise: Promise<T>, { clock, signal }: ServerOptions): Promise<T> {
  const settled = new AbortController();
  const silence = sleep(clock, silenceMs, AbortSignal.any([settled.signal, signal])).then(() => {
    if (signal.aborted) throw new OperatorError('interrupted: nothing was changed');
    throw new OperatorError(`the server sent nothing for ${silenceMs / 1000} s: see whether it runs, then try again`);
  });
  silence.catch(() => {});
  try {
    return await Promise.race([promise, silence]);
  } finally {
    settled.abort();
  }
}

export async function saveFromDirectory(directory: string, path: string, pace: Pace): Promise<void> {
  assertReplaceable(path);
  const contents = openDirectory(directory);
  try {
    await makeFile(path, async (temporary) => {
      copyFileSync(contents.path, temporary);
      truncateSync(temporary, contents.sizeBytes);
      await appendHash(temporary, contents.sizeBytes, pace);
    });
  } finally {
    contents.close();
  }
}
