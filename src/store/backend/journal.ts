/**
 * SQLite's write-ahead journal (`store.db-wal`), looked at before SQLite opens it. SQLite stops reading at the first
 * frame that does not check out, and says nothing: right for the torn end that a power cut leaves, wrong for a journal
 * that is damaged in the middle, missing, or another's. Those held acknowledged writes, so the start is refused.
 *
 * What a tear may be: only frames of the last transaction can be torn by a power cut, because each transaction is
 * synced before the next is written. A broken frame with a later transaction behind it was acknowledged once.
 *
 * Whose journal it is: SQLite gives each generation of the journal two salts, the first one higher by one each time it
 * starts it anew. `store.db-mark` holds the salts of the generation in use. It is written before the first write of a
 * generation is acknowledged, and removed at a clean end; so a journal that is one generation ahead holds nothing yet
 * that anybody was told of, and a mark without a journal means that the journal was taken away.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
} from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { OperatorError } from '#base/errors.ts';

export interface Salts {
  first: number;
  second: number;
}

const headerBytes = 32;
const frameHeaderBytes = 24;
/** The last bit of the magic tells the byte order of the checksums. */
const magicLittleEndian = 0x377f0682;

const walOf = (path: string) => `${path}-wal`;
const markOf = (path: string) => `${path}-mark`;

/** `path`: of the database. Throws what a person must decide. */
export function checkJournal(path: string): void {
  const wal = walOf(path);
  const mark = readMark(path);
  const isEmptyDatabase = !existsSync(path) || statSync(path).size === 0;
  const walBytes = existsSync(wal) ? statSync(wal).size : 0;
  if (isEmptyDatabase && (walBytes > 0 || mark)) {
    throw new OperatorError(`${path} is missing, but its journal is there: put it back, or restore a snapshot`);
  }
  if (walBytes < headerBytes) {
    if (!mark) return;
    throw new OperatorError(
      `${wal} is missing or empty, and holds the newest writes: put it back, restore a snapshot, ` +
        `or remove ${markOf(path)} to go on without them`,
    );
  }
  const salts = checkFrames(wal);
  if (!mark || isSuccessor(mark, salts)) return;
  throw new OperatorError(`${wal} is not the journal of ${path} as it was left: put that back, or restore a snapshot`);
}

const isSuccessor = (mark: Salts, { first, second }: Salts): boolean =>
  (first === mark.first && second === mark.second) || first === (mark.first + 1) >>> 0;

/** The salts of the journal, whose frames are as they should be up to the last transaction. */
function checkFrames(wal: string): Salts {
  const fd = openSync(wal, 'r');
  try {
    const { size } = fstatSync(fd);
    const header = Buffer.alloc(headerBytes);
    readSync(fd, header, 0, headerBytes, 0);
    const magic = header.readUInt32BE(0);
    const isLittleEndian = magic === magicLittleEndian;
    let sum = checksum(header, 0, 24, { a: 0, b: 0 }, isLittleEndian);
    if (magic >>> 1 !== magicLittleEndian >>> 1 || !isStored(sum, header, 24)) throw damaged(wal);
    const salts = saltsOf(header, 16);
    const frame = Buffer.alloc(frameHeaderBytes + header.readUInt32BE(8));
    let isTorn = false;
    let hasLaterTransaction = false;
    for (let at = headerBytes; at + frame.length <= size; at += frame.length) {
      readSync(fd, frame, 0, frame.length, at);
      const own = saltsOf(frame, 8);
      const isOfGeneration = own.first === salts.first && own.second === salts.second;
      const next = frameChecksum(frame, sum, isLittleEndian);
      const isValid = isOfGeneration && isStored(next, frame, 16);
      if (isTorn && isValid && hasLaterTransaction) throw damaged(wal);
      if (!isValid) isTorn = true;
      // Behind a tear each frame is judged by the checksum that the one before it carries.
      sum = isValid ? next : { a: frame.readUInt32BE(16), b: frame.readUInt32BE(20) };
      const isCommit = frame.readUInt32BE(4) !== 0;
      if (isTorn && isOfGeneration && isCommit) hasLaterTransaction = true;
    }
    return salts;
  } finally {
    closeSync(fd);
  }
}

function damaged(wal: string): OperatorError {
  return new OperatorError(`${wal} is damaged before its end: restore a snapshot, or remove it to lose what is in it`);
}

interface Sum {
  a: number;
  b: number;
}

function frameChecksum(frame: Buffer, before: Sum, isLittleEndian: boolean): Sum {
  const sum = checksum(frame, 0, 8, before, isLittleEndian);
  return checksum(frame, frameHeaderBytes, frame.length, sum, isLittleEndian);
}

/** SQLite's: two running sums over pairs of words. */
function checksum(bytes: Buffer, from: number, to: number, before: Sum, isLittleEndian: boolean): Sum {
  let { a, b } = before;
  for (let i = from; i < to; i += 8) {
    a = (a + (isLittleEndian ? bytes.readUInt32LE(i) : bytes.readUInt32BE(i)) + b) >>> 0;
    b = (b + (isLittleEndian ? bytes.readUInt32LE(i + 4) : bytes.readUInt32BE(i + 4)) + a) >>> 0;
  }
  return { a, b };
}

const isStored = ({ a, b }: Sum, bytes: Buffer, at: number): boolean =>
  bytes.readUInt32BE(at) === a && bytes.readUInt32BE(at + 4) === b;

const saltsOf = (bytes: Buffer, at: number): Salts => ({
  first: bytes.readUInt32BE(at),
  second: bytes.readUInt32BE(at + 4),
});

/** The mark of a database that is open. */
export class JournalMark {
  readonly #path: string;
  readonly #walFd: number;
  readonly #buffer = Buffer.alloc(headerBytes);
  #written: Salts | undefined;

  constructor(path: string, walFd: number) {
    this.#path = path;
    this.#walFd = walFd;
    this.#written = readMark(path);
  }

  /** The journal in use is the marked one; or there is none yet, for a commit that changed nothing writes nothing. */
  get isCurrent(): boolean {
    const salts = this.#salts();
    return !salts || (salts.first === this.#written?.first && salts.second === this.#written.second);
  }

  /** Resolves once the journal in use is marked durably. */
  async write(): Promise<void> {
    const salts = this.#salts();
    if (!salts) return;
    const mark = markOf(this.#path);
    const file = await open(`${mark}.new`, 'w', 0o600);
    try {
      await file.writeFile(`${salts.first} ${salts.second}\n`);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(`${mark}.new`, mark);
    syncDirectory(dirname(mark));
    this.#written = salts;
  }

  /** Everything is in the database: nobody needs the journal any more. */
  remove(): void {
    rmSync(markOf(this.#path), { force: true });
    syncDirectory(dirname(this.#path));
    this.#written = undefined;
  }

  /** Undefined: the journal has no beginning, only the zeros that are put there ahead, or nothing at all. */
  #salts(): Salts | undefined {
    const length = readSync(this.#walFd, this.#buffer, 0, headerBytes, 0);
    return length === headerBytes && this.#buffer.readUInt32BE(0) !== 0 ? saltsOf(this.#buffer, 16) : undefined;
  }
}

function readMark(path: string): Salts | undefined {
  let text: string;
  try {
    text = readFileSync(markOf(path), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const match = /^(\d+) (\d+)\n$/.exec(text);
  if (!match) throw new OperatorError(`${markOf(path)} is damaged: remove it if ${walOf(path)} is as it was left`);
  return { first: Number(match[1]), second: Number(match[2]) };
}

/** New names in it survive a power cut. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
