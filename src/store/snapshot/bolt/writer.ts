/**
 * Writes a bbolt file bottom-up: entries come sorted, leaves are filled and written as they do, and a branch as soon as
 * its page is full. So memory holds one page a level, whatever the size. The metas, which name the root, come last: a
 * file that was left half-way is none.
 */
import { writeSync } from 'node:fs';
import { assert } from '#base/assert.ts';
import {
  bucketFlag,
  defaultPageBytes,
  elementBytes,
  encodeMeta,
  PageFlag,
  pageHeaderBytes,
  writePageHeader,
} from './format.ts';

const pageBytes = defaultPageBytes;
/** A bucket that is larger gets pages of its own, as in bbolt. */
const inlineBytesMax = pageBytes / 4;
const chunkBytes = 1024 * 1024;
/** After the two metas: an empty list of free pages. */
const freelistPage = 2;

interface Element {
  key: Buffer;
  /** Of a leaf. */
  value: Buffer;
  /** Of a branch. */
  child: number;
}

export class BoltWriter {
  readonly #pages: PageOutput;
  readonly #buckets: Element[] = [];

  /** An empty file, which the caller syncs and closes. */
  constructor(fd: number) {
    this.#pages = new PageOutput(fd);
    for (const _meta of [0, 1]) this.#pages.writeEmpty(0);
    assert(this.#pages.writeEmpty(PageFlag.freelist) === freelistPage, 'the pages are in their places');
  }

  /** One at a time: to be ended before the next one begins. */
  bucket(name: string): BucketWriter {
    return new BucketWriter(this.#pages, (value) => this.#buckets.push({ key: Buffer.from(name), value, child: 0 }));
  }

  /** The size of the file. */
  finish(): number {
    this.#buckets.sort((a, b) => Buffer.compare(a.key, b.key));
    const root = this.#pages.next;
    this.#pages.writeNode(this.#buckets, PageFlag.leaf, bucketFlag);
    const meta = { pageBytes, rootPage: root, freelistPage, pageCount: this.#pages.next };
    this.#pages.flush();
    this.#pages.overwrite(0, encodeMeta(0, { ...meta, transaction: 0n }));
    this.#pages.overwrite(1, encodeMeta(1, { ...meta, transaction: 1n }));
    return meta.pageCount * pageBytes;
  }
}

export class BucketWriter {
  readonly #pages: PageOutput;
  readonly #done: (header: Buffer) => void;
  /** By level, the leaves first: what is not yet on a page. */
  readonly #levels: { elements: Element[]; bytes: number }[] = [{ elements: [], bytes: pageHeaderBytes }];
  #previous: Buffer | undefined;

  constructor(pages: PageOutput, done: (header: Buffer) => void) {
    this.#pages = pages;
    this.#done = done;
  }

  /** In the order of keys. The buffers are kept until their page is full: they must not change. */
  add(key: Buffer, value: Buffer): void {
    assert(!this.#previous || Buffer.compare(this.#previous, key) < 0, 'the keys of a bucket must be in order');
    this.#previous = key;
    this.#push(0, { key, value, child: 0 });
  }

  end(): void {
    const [leaves] = this.#levels;
    if (this.#levels.length === 1 && leaves!.bytes <= inlineBytesMax) {
      this.#done(Buffer.concat([bucketHeader(0), encodeNode(0, leaves!.elements, PageFlag.leaf, 0)]));
      return;
    }
    for (let level = 0; ; level++) {
      const { elements } = this.#levels[level]!;
      if (level === this.#levels.length - 1) {
        const root = this.#pages.writeNode(elements, level === 0 ? PageFlag.leaf : PageFlag.branch, 0);
        this.#done(bucketHeader(root));
        return;
      }
      this.#writePage(level, elements);
    }
  }

  #push(level: number, element: Element): void {
    this.#levels[level] ??= { elements: [], bytes: pageHeaderBytes };
    const pending = this.#levels[level];
    const bytes = sizeOf(element);
    // A branch keeps its last child back, so that none ever has only one.
    const kept = level === 0 ? 0 : 1;
    if (pending.bytes + bytes > pageBytes && pending.elements.length > kept + kept) {
      const rest = pending.elements.splice(pending.elements.length - kept, kept);
      const full = pending.elements;
      pending.elements = rest;
      pending.bytes = rest.reduce((sum, e) => sum + sizeOf(e), pageHeaderBytes);
      this.#writePage(level, full);
    }
    pending.elements.push(element);
    pending.bytes += bytes;
  }

  #writePage(level: number, elements: Element[]): void {
    const child = this.#pages.writeNode(elements, level === 0 ? PageFlag.leaf : PageFlag.branch, 0);
    this.#push(level + 1, { key: elements[0]!.key, value: none, child });
  }
}

const none = Buffer.alloc(0);

function sizeOf({ key, value }: Element): number {
  return elementBytes + key.length + value.length;
}

function bucketHeader(root: number): Buffer {
  const header = Buffer.alloc(elementBytes);
  header.writeBigUInt64LE(BigInt(root), 0);
  return header;
}

/** A page with its elements, as long as they need. */
function encodeNode(id: number, elements: readonly Element[], flags: number, elementFlags: number): Buffer {
  const bytes = Buffer.allocUnsafe(elements.reduce((sum, e) => sum + sizeOf(e), pageHeaderBytes));
  const overflow = Math.max(0, Math.ceil(bytes.length / pageBytes) - 1);
  writePageHeader(bytes, { id, flags, count: elements.length, overflow });
  let data = pageHeaderBytes + elements.length * elementBytes;
  elements.forEach(({ key, value, child }, i) => {
    const at = pageHeaderBytes + i * elementBytes;
    if (flags === PageFlag.leaf) {
      bytes.writeUInt32LE(elementFlags, at);
      bytes.writeUInt32LE(data - at, at + 4);
      bytes.writeUInt32LE(key.length, at + 8);
      bytes.writeUInt32LE(value.length, at + 12);
    } else {
      bytes.writeUInt32LE(data - at, at);
      bytes.writeUInt32LE(key.length, at + 4);
      bytes.writeBigUInt64LE(BigInt(child), at + 8);
    }
    key.copy(bytes, data);
    value.copy(bytes, data + key.length);
    data += key.length + value.length;
  });
  return bytes;
}

/** Pages in a row, handed to the file in large pieces. */
class PageOutput {
  readonly #fd: number;
  #chunk: Buffer[] = [];
  #chunkBytes = 0;
  #writtenBytes = 0;
  /** The number of the next page. */
  next = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  writeNode(elements: readonly Element[], flags: number, elementFlags: number): number {
    const id = this.next;
    this.#append(encodeNode(id, elements, flags, elementFlags));
    return id;
  }

  writeEmpty(flags: number): number {
    return this.writeNode([], flags, 0);
  }

  overwrite(id: number, page: Buffer): void {
    writeFully(this.#fd, page, id * pageBytes);
  }

  flush(): void {
    const bytes = Buffer.concat(this.#chunk, this.#chunkBytes);
    writeFully(this.#fd, bytes, this.#writtenBytes);
    this.#writtenBytes += bytes.length;
    this.#chunk = [];
    this.#chunkBytes = 0;
  }

  #append(bytes: Buffer): void {
    const pages = Math.ceil(bytes.length / pageBytes);
    this.#chunk.push(bytes);
    const padding = pages * pageBytes - bytes.length;
    if (padding > 0) this.#chunk.push(zeros.subarray(0, padding));
    this.#chunkBytes += pages * pageBytes;
    this.next += pages;
    if (this.#chunkBytes >= chunkBytes) this.flush();
  }
}

const zeros = Buffer.alloc(pageBytes);

function writeFully(fd: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, position + done);
}
