/**
 * The audit log's file. It is begun anew before it would grow beyond its size; the old one stays beside it with the time
 * in its name (`audit-2026-01-31T09-08-07.123.log`), compressed if wanted, until there are too many or it is too old.
 * Names, order and limits are upstream's (lumberjack's), so that what collects its logs collects these.
 *
 * Owns the file and those beside it that bear such names. A write that fails part way leaves no half line behind.
 */
import fs from 'node:fs';
import { readdir, rename, unlink } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGzip } from 'node:zlib';
import type { Clock } from '#base/clock.ts';

export interface RotatingFileOptions {
  path: string;
  /** 0: the default. */
  maxSizeMegabytes: number;
  /** Of old files, by the time in their names; 0: any age. */
  maxAgeDays: number;
  /** Old files kept; 0: all. */
  maxBackups: number;
  compress: boolean;
  clock: Pick<Clock, 'now'>;
  /** What tidying could not do: the log itself goes on. */
  onTidyError?(error: unknown): void;
}

const [fileMode, directoryMode] = [0o600, 0o700];
const megabyte = 1024 * 1024;
const defaultMaxSizeMegabytes = 100;
const dayMs = 86_400_000;
const write = promisify(fs.write);

export class RotatingFile {
  readonly #options: RotatingFileOptions;
  readonly #maxBytes: number;
  #fd: number | undefined = undefined;
  #size = 0;
  #tidying: Promise<void> | undefined = undefined;
  #tidyAgain = false;

  /** Opens the file, made when missing with its directory; throws when it cannot. */
  constructor(options: RotatingFileOptions) {
    this.#options = options;
    this.#maxBytes = (options.maxSizeMegabytes || defaultMaxSizeMegabytes) * megabyte;
    fs.mkdirSync(dirname(options.path), { recursive: true, mode: directoryMode });
    this.#open();
    this.#tidy();
  }

  /** All of it, now, or it throws. */
  writeSync(bytes: Buffer): void {
    const fd = this.#ready(bytes.length);
    try {
      for (let at = 0; at < bytes.length; ) at += fs.writeSync(fd, bytes, at);
    } catch (error) {
      this.#takeBack();
      throw error;
    }
    this.#size += bytes.length;
  }

  /** As `writeSync`, without holding up the process; one at a time. */
  async write(bytes: Buffer): Promise<void> {
    const fd = this.#ready(bytes.length);
    try {
      for (let at = 0; at < bytes.length; ) at += (await write(fd, bytes, at)).bytesWritten;
    } catch (error) {
      this.#takeBack();
      throw error;
    }
    this.#size += bytes.length;
  }

  /** Resolves when the old files are in order too. */
  async close(): Promise<void> {
    this.#close();
    while (this.#tidying) await this.#tidying;
  }

  #ready(length: number): number {
    if (this.#fd === undefined) this.#open();
    // A single entry larger than the limit has a file of its own, rather than none.
    if (this.#size > 0 && this.#size + length > this.#maxBytes) this.#rotate();
    return this.#fd!;
  }

  #open(): void {
    this.#fd = fs.openSync(this.#options.path, 'a', fileMode);
    const stat = fs.fstatSync(this.#fd);
    this.#size = stat.isFile() ? stat.size : 0;
  }

  #close(): void {
    if (this.#fd !== undefined) fs.closeSync(this.#fd);
    this.#fd = undefined;
  }

  #rotate(): void {
    this.#close();
    const { path, clock } = this.#options;
    fs.renameSync(path, this.#backupPath(clock.now()));
    this.#open();
    this.#tidy();
  }

  #backupPath(nowMs: number): string {
    const { path } = this.#options;
    // Two within a millisecond would overwrite each other.
    for (let ms = nowMs; ; ms++) {
      const candidate = join(dirname(path), backupName(path, ms));
      if (!fs.existsSync(candidate) && !fs.existsSync(`${candidate}${compressedSuffix}`)) return candidate;
    }
  }

  /** After a write that did not complete: half a line would spoil the next one as well. */
  #takeBack(): void {
    try {
      fs.ftruncateSync(this.#fd!, this.#size);
    } catch {
      // Not a file that can be cut, such as a device: nothing is left behind in one.
    }
  }

  /** One at a time; asked again meanwhile, once more. */
  #tidy(): void {
    if (this.#tidying) {
      this.#tidyAgain = true;
      return;
    }
    this.#tidying = this.#tidyUp()
      .catch((error) => this.#options.onTidyError?.(error))
      .finally(() => {
        this.#tidying = undefined;
        if (!this.#tidyAgain) return;
        this.#tidyAgain = false;
        this.#tidy();
      });
  }

  async #tidyUp(): Promise<void> {
    const { path, maxAgeDays, maxBackups, compress, clock } = this.#options;
    if (maxAgeDays === 0 && maxBackups === 0 && !compress) return;
    const directory = dirname(path);
    const backups = (await readdir(directory))
      .map((name) => ({ name, ms: timeOfBackup(path, name) }))
      .filter((backup): backup is { name: string; ms: number } => backup.ms !== undefined)
      .sort((a, b) => b.ms - a.ms);
    const oldest = maxAgeDays === 0 ? Number.NEGATIVE_INFINITY : clock.now() - maxAgeDays * dayMs;
    const kept = new Set<number>();
    for (const { name, ms } of backups) {
      // A file and its compressed form are one backup.
      const isSpare = !kept.has(ms) && maxBackups > 0 && kept.size >= maxBackups;
      if (isSpare || ms < oldest) {
        await unlink(join(directory, name));
        continue;
      }
      kept.add(ms);
      if (compress && !name.endsWith(compressedSuffix)) await compressFile(join(directory, name));
    }
  }
}

const compressedSuffix = '.gz';

/** `audit.log` of 2026-01-31T09:08:07.123Z is `audit-2026-01-31T09-08-07.123.log`. */
function backupName(path: string, ms: number): string {
  const extension = extname(path);
  const time = new Date(ms).toISOString().slice(0, -1).replaceAll(':', '-');
  return `${basename(path, extension)}-${time}${extension}`;
}

/** Undefined for files that are none of ours. */
function timeOfBackup(path: string, name: string): number | undefined {
  const extension = extname(path);
  const head = `${basename(path, extension)}-`;
  const plain = name.endsWith(compressedSuffix) ? name.slice(0, -compressedSuffix.length) : name;
  if (!plain.startsWith(head) || !plain.endsWith(extension)) return undefined;
  const time = plain.slice(head.length, plain.length - extension.length);
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d\.\d{3})$/.exec(time);
  if (!match) return undefined;
  const ms = Date.parse(`${match[1]}T${match[2]}:${match[3]}:${match[4]}Z`);
  return Number.isNaN(ms) ? undefined : ms;
}

/** Under another name until it is whole: a process that dies meanwhile leaves the file itself. */
async function compressFile(path: string): Promise<void> {
  const unfinished = `${path}${compressedSuffix}.tmp`;
  await pipeline(fs.createReadStream(path), createGzip(), fs.createWriteStream(unfinished, { mode: fileMode }));
  await rename(unfinished, `${path}${compressedSuffix}`);
  await unlink(path);
}
