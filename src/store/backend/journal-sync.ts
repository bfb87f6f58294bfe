/**
 * Makes the journal durable. Two things make that as cheap as the disk allows:
 *
 * - The file is longer than what is written in it. A sync of a file that grew must also commit the file system's own
 *   journal, which takes as long again; a sync of bytes within it writes just them. So when SQLite has reached the end,
 *   a piece of zeros is put behind it, in a sync that is a slow one anyway. SQLite ends its reading of a journal at the
 *   first frame that is none, and overwrites it from the beginning after a checkpoint.
 * - A request that is alone has nobody beside it who could use the event loop meanwhile: for it the sync is done in
 *   place, without a trip to the thread pool and back, which on a busy machine takes longer than the sync.
 */
import { fdatasync, fdatasyncSync, fstatSync, writeSync } from 'node:fs';
import type { Clock } from '#base/clock.ts';

/** Put behind the end of the journal when it is reached. */
const pieceBytes = 1024 * 1024;
/** The end is looked for at every so manieth sync. */
const lookEvery = 8;
/** In place only while the disk can do it in less: the event loop would be seen to stand still. */
const inPlaceMsMax = 2;
/** The quickest of so many says what the disk can do; others may have waited for a processor. */
const judgedSyncs = 8;
/** After that, so many go to the thread pool before it is tried again. */
const pauseSyncs = 1000;

const zeros = Buffer.alloc(64 * 1024);

/** `isAlone`: `done` may be called before it returns. */
export type Sync = (done: (error: Error | null) => void, isAlone: boolean) => void;

export function journalSync(fd: number, clock: Pick<Clock, 'monotonic'>): Sync {
  let sizeBytes = 0;
  let untilLook = 0;
  let quickestMs = Number.POSITIVE_INFINITY;
  let unjudged = judgedSyncs;
  let pause = 0;

  const keepAhead = () => {
    if (untilLook-- > 0) return;
    untilLook = lookEvery - 1;
    const { size } = fstatSync(fd);
    if (size <= sizeBytes) return;
    sizeBytes = size + pieceBytes;
    try {
      for (let at = size; at < sizeBytes; at += zeros.length) writeSync(fd, zeros, 0, zeros.length, at);
    } catch (error) {
      // No room for more than what is in it: then it is only slower.
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  };
  const inPlace = () => {
    const start = clock.monotonic();
    fdatasyncSync(fd);
    quickestMs = Math.min(quickestMs, clock.monotonic() - start);
    if (--unjudged > 0) return;
    if (quickestMs > inPlaceMsMax) pause = pauseSyncs;
    quickestMs = Number.POSITIVE_INFINITY;
    unjudged = judgedSyncs;
  };

  return (done, isAlone) => {
    let isDone = false;
    try {
      keepAhead();
      if (isAlone && pause-- <= 0) {
        inPlace();
        isDone = true;
      }
    } catch (error) {
      done(error as Error);
      return;
    }
    if (isDone) done(null);
    else fdatasync(fd, done);
  };
}
