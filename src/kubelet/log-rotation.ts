import { copyFileSync, existsSync, renameSync, statSync, truncateSync } from 'node:fs';
import { type Clock, sleep } from '#base/clock.ts';
import { messageOf } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { Runnable } from '#base/runnable.ts';

export interface LogRotationOptions {
  maxBytes: number;
  /** The one being written included. */
  maxFiles: number;
  clock: Clock;
  log: Logger;
}

const checkPeriodMs = 10_000;

/**
 * Bounds the log of each running container. The process itself holds the file open (it must outlive the kubelet), so
 * a full one is copied and cut, not renamed; lines written between the copy and the cut are lost.
 */
export function logRotation(options: LogRotationOptions, logFiles: () => string[]): Runnable {
  const { clock, log } = options;
  return {
    name: 'log-rotation',
    async run(signal) {
      for (;;) {
        await sleep(clock, checkPeriodMs, signal);
        if (signal.aborted) return;
        for (const file of logFiles()) {
          try {
            rotate(file, options);
          } catch (error) {
            log.warn({ file, error: messageOf(error) }, 'log not rotated');
          }
        }
      }
    },
  };
}

export function rotate(file: string, { maxBytes, maxFiles }: { maxBytes: number; maxFiles: number }): boolean {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size <= maxBytes) return false;
  for (let i = maxFiles - 2; i >= 1; i--) {
    if (existsSync(`${file}.${i}`)) renameSync(`${file}.${i}`, `${file}.${i + 1}`);
  }
  if (maxFiles > 1) copyFileSync(file, `${file}.1`);
  truncateSync(file);
  return true;
}
