/** The backend `log`: a line for each event, to a file that is rotated or to standard output. */
import fs from 'node:fs';
import type { Clock } from '#base/clock.ts';
import { messageOf, OperatorError } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { Destination } from './backend.ts';
import { legacyLine } from './legacy-format.ts';
import { RotatingFile } from './rotating-file.ts';

export interface LogOptions {
  /** `-`: standard output. */
  path: string;
  format: 'json' | 'legacy';
  maxAgeDays: number;
  maxBackups: number;
  maxSizeMegabytes: number;
  compress: boolean;
}

/** Lines that are written together. */
const [linesMax, writeBytesMax] = [1000, 1024 * 1024];
/** A line in a buffer is not worth a system call of its own. */
const gatherMs = 10;
const standardOutput = 1;

/** Throws an OperatorError if the file cannot be written. */
export function logDestination(options: LogOptions, clock: Clock, log: Logger): Destination {
  const file = options.path === '-' ? undefined : openFile(options, clock, log);
  const writeSync = (bytes: Buffer): void => {
    if (file) file.writeSync(bytes);
    else for (let at = 0; at < bytes.length; ) at += fs.writeSync(standardOutput, bytes, at);
  };
  return {
    plugin: 'log',
    concurrency: 1,
    takeMax: linesMax,
    takeBytesMax: writeBytesMax,
    gatherMs,
    ...(options.format === 'legacy' ? { encode: legacyLine } : {}),
    isOrdered: true,
    writeNow: (lines) => writeSync(bytesOf(lines)),
    async write(lines) {
      const bytes = bytesOf(lines);
      if (file) await file.write(bytes);
      else writeSync(bytes);
    },
    close: async () => file?.close(),
  };
}

function bytesOf(lines: readonly string[]): Buffer {
  return Buffer.from(`${lines.join('\n')}\n`);
}

function openFile(options: LogOptions, clock: Clock, log: Logger): RotatingFile {
  try {
    return new RotatingFile({
      ...options,
      clock,
      onTidyError: (error) => log.warn({ error: messageOf(error) }, 'old audit logs could not be tidied up'),
    });
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? messageOf(cause);
    throw new OperatorError(`cannot write ${options.path} (${code}): check --audit-log-path`, { cause });
  }
}
