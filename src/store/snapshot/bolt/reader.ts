/**
 * Reads a bbolt file front to back in the order of its keys, one page in memory at a time (and the branches above it).
 * The file may be anybody's: whatever it says is checked before it is followed, every page is taken once at most, and
 * what does not hold is an error that says where. So a hostile file can neither lead us in circles nor have us allocate much.
 */
import { readSync } from 'node:fs';
import { DamagedSnapshot } from '../damaged-snapshot.ts';
import {
  bucketFlag,
  decodeMeta,
  elementBytes,
  type Meta,
  metaBytes,
  PageFlag,
  pageHeaderBytes,
  pageSizes,
  readPageHeader,
} from './format.ts';

/** The longest run of pages that is read as one; etcd's largest request is far below it. */
const pageRunBytesMax = 256 * 1024 * 1024;
/** Levels of a tree: with two children a branch, more than any disk holds. */
const depthMax = 48;

export interface Entry {
  key: Buffer;
  value: Buffer;
  isBucket: boolean;
}

/** A page, or the inline one of a small bucket. */
interface Node {
  name: string;
  bytes: Buffer;
  isLeaf: boolean;
  count: number;
}

export class BoltFile {
  readonly #fd: number;
  readonly #meta: Meta;

  /** The caller keeps the descriptor and closes it. `sizeBytes`: without what may follow the pages. */
  constructor(fd: number, sizeBytes: number) {
    this.#fd = fd;
    this.#meta = findMeta(fd);
    const { pageBytes, pageCount } = this.#meta;
    if (pageCount * pageBytes > sizeBytes)
      throw new DamagedSnapshot(`it is cut off: ${sizeBytes} bytes of ${pageCount * pageBytes}`);
  }

  /** As etcd counts the size of a database. */
  get sizeBytes(): number {
    return this.#meta.pageCount * this.#meta.pageBytes;
  }

  /** One pass over the file: the buckets by name, each to be read (or not) before the next. */
  *buckets(): IterableIterator<{ name: string; entries: IterableIterator<Entry> }> {
    const seen = new PageSet(this.#meta.pageCount);
    for (const { key, value, isBucket } of this.#entries(this.#node(this.#meta.rootPage, seen), seen)) {
      const name = key.toString('latin1');
      if (!isBucket)
        throw new DamagedSnapshot(`its root has a value (${JSON.stringify(name)}) where only buckets may be`);
      yield { name, entries: this.#entries(this.#rootOf(value, name, seen), seen) };
    }
  }

  *bucket(wanted: string): IterableIterator<Entry> {
    for (const { name, entries } of this.buckets()) if (name === wanted) yield* entries;
  }

  /** The last entry of a bucket, without reading the others. */
  last(wanted: string): Entry | undefined {
    const seen = new PageSet(this.#meta.pageCount);
    for (const { key, value } of this.#entries(this.#node(this.#meta.rootPage, seen), seen)) {
      if (key.toString('latin1') !== wanted) continue;
      let node = this.#rootOf(value, wanted, seen);
      while (!node.isLeaf) node = this.#node(childOf(node, node.count - 1), seen);
      return node.count > 0 ? entryOf(node, node.count - 1) : undefined;
    }
    return undefined;
  }

  *#entries(root: Node, seen: PageSet): IterableIterator<Entry> {
    const path: { node: Node; next: number }[] = [{ node: root, next: 0 }];
    let previous: Buffer | undefined;
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const { node } = top;
      if (top.next === node.count) {
        path.pop();
      } else if (node.isLeaf) {
        const entry = entryOf(node, top.next++);
        if (previous && Buffer.compare(previous, entry.key) >= 0)
          throw new DamagedSnapshot(`its keys are out of order at ${node.name}`);
        previous = entry.key;
        yield entry;
      } else {
        if (path.length >= depthMax)
          throw new DamagedSnapshot(`its tree is deeper than ${depthMax} levels at ${node.name}`);
        path.push({ node: this.#node(childOf(node, top.next++), seen), next: 0 });
      }
    }
  }

  #rootOf(value: Buffer, name: string, seen: PageSet): Node {
    if (value.length < elementBytes) throw new DamagedSnapshot(`bucket ${JSON.stringify(name)} has no header`);
    const root = Number(value.readBigUInt64LE(0));
    if (root !== 0) return this.#node(root, seen);
    return nodeOf(value.subarray(elementBytes), `the inline page of bucket ${JSON.stringify(name)}`);
  }

  #node(id: number, seen: PageSet): Node {
    const { pageBytes, pageCount } = this.#meta;
    const name = `page ${id}`;
    if (!(id >= 2 && id < pageCount)) throw new DamagedSnapshot(`it points at ${name}, and has ${pageCount} pages`);
    let bytes = this.#read(id, pageBytes);
    const header = readPageHeader(bytes);
    if (header.id !== id) throw new DamagedSnapshot(`${name} says that it is page ${header.id}`);
    const pages = header.overflow + 1;
    if (id + pages > pageCount || pages * pageBytes > pageRunBytesMax)
      throw new DamagedSnapshot(`${name} goes on over ${pages} pages, beyond what there is`);
    if (!seen.add(id, pages)) throw new DamagedSnapshot(`${name} is used twice`);
    if (pages > 1) bytes = Buffer.concat([bytes, this.#read(id + 1, header.overflow * pageBytes)]);
    return nodeOf(bytes, name);
  }

  #read(id: number, bytes: number): Buffer {
    const buffer = Buffer.allocUnsafe(bytes);
    if (readFully(this.#fd, buffer, id * this.#meta.pageBytes) < bytes)
      throw new DamagedSnapshot(`it is cut off at page ${id}`);
    return buffer;
  }
}

/** The valid meta of the last transaction. */
function findMeta(fd: number): Meta {
  const at = (position: number) => {
    const page = Buffer.alloc(pageHeaderBytes + metaBytes);
    return decodeMeta(page.subarray(0, readFully(fd, page, position)));
  };
  const first = at(0);
  for (const size of first ? [first.pageBytes] : pageSizes()) {
    const second = at(size);
    if (second?.pageBytes !== size) continue;
    return first && first.transaction >= second.transaction ? first : second;
  }
  if (!first) throw new DamagedSnapshot('both of its meta pages are damaged');
  return first;
}

function nodeOf(bytes: Buffer, name: string): Node {
  if (bytes.length < pageHeaderBytes) throw new DamagedSnapshot(`${name} is cut off`);
  const { flags, count } = readPageHeader(bytes);
  const isLeaf = flags === PageFlag.leaf;
  if (!isLeaf && flags !== PageFlag.branch) throw new DamagedSnapshot(`${name} is neither a branch nor a leaf`);
  if (!isLeaf && count === 0) throw new DamagedSnapshot(`${name} is a branch without children`);
  if (pageHeaderBytes + count * elementBytes > bytes.length)
    throw new DamagedSnapshot(`${name} has ${count} elements, more than fit`);
  return { name, bytes, isLeaf, count };
}

function childOf({ bytes }: Node, index: number): number {
  return Number(bytes.readBigUInt64LE(pageHeaderBytes + index * elementBytes + 8));
}

function entryOf({ bytes, name }: Node, index: number): Entry {
  const at = pageHeaderBytes + index * elementBytes;
  const key = at + bytes.readUInt32LE(at + 4);
  const value = key + bytes.readUInt32LE(at + 8);
  const end = value + bytes.readUInt32LE(at + 12);
  if (end > bytes.length) throw new DamagedSnapshot(`element ${index} of ${name} is larger than its page`);
  const isBucket = (bytes.readUInt32LE(at) & bucketFlag) !== 0;
  return { key: bytes.subarray(key, value), value: bytes.subarray(value, end), isBucket };
}

/** A bit per page. */
class PageSet {
  readonly #bits: Uint8Array;

  constructor(pageCount: number) {
    this.#bits = new Uint8Array(Math.ceil(pageCount / 8));
  }

  /** False when one of them was in it. */
  add(first: number, pages: number): boolean {
    for (let id = first; id < first + pages; id++) {
      const mask = 1 << (id & 7);
      if ((this.#bits[id >> 3]! & mask) !== 0) return false;
      this.#bits[id >> 3]! |= mask;
    }
    return true;
  }
}

/** A read may bring less than was asked for. */
function readFully(fd: number, buffer: Buffer, position: number): number {
  let done = 0;
  while (done < buffer.length) {
    const length = readSync(fd, buffer, done, buffer.length - done, position + done);
    if (length === 0) break;
    done += length;
  }
  return done;
}
