/**
 * The layout of a bbolt file, which is what etcd keeps its data in: pages of one size, numbered from 0. Pages 0 and 1
 * are metas; the newer valid one names the page of the root bucket. A bucket is a B+ tree of branch and leaf pages; a
 * page that needs more room goes on in the numbers right after its own (`overflow`). The root bucket's values are
 * buckets: 16 bytes of header, and for a small bucket its only leaf page right behind them (`inline`).
 *
 *     page     id u64 | flags u16 | count u16 | overflow u32 | elements … | keys and values …
 *     branch   pos u32 | key size u32 | page u64                     pos counts from the element's own start
 *     leaf     flags u32 | pos u32 | key size u32 | value size u32
 *     meta     magic u32 | version u32 | page size u32 | flags u32 | root bucket (16) | freelist u64 | pages u64 |
 *              transaction u64 | FNV-1a of all that u64
 */
export const pageHeaderBytes = 16;
/** Of a branch element, a leaf element and a bucket's header alike. */
export const elementBytes = 16;
export const metaBytes = 64;

export const PageFlag = { branch: 0x01, leaf: 0x02, meta: 0x04, freelist: 0x10 } as const;
/** In a leaf element's flags: the value is a bucket. */
export const bucketFlag = 0x01;

export const defaultPageBytes = 4096;
const pageBytesMin = 512;
const pageBytesMax = 65536;

const magic = 0xed0cdaed;
const formatVersion = 2;

export interface Meta {
  pageBytes: number;
  /** Of the root bucket. */
  rootPage: number;
  freelistPage: number;
  /** Pages in use or free: all there are. */
  pageCount: number;
  transaction: bigint;
}

/** `page` starts with its page header. Undefined: no valid meta. */
export function decodeMeta(page: Buffer): Meta | undefined {
  if (page.length < pageHeaderBytes + metaBytes) return undefined;
  const meta = page.subarray(pageHeaderBytes, pageHeaderBytes + metaBytes);
  if (meta.readUInt32LE(0) !== magic || meta.readUInt32LE(4) !== formatVersion) return undefined;
  if (meta.readBigUInt64LE(56) !== fnv1a(meta.subarray(0, 56))) return undefined;
  const pageBytes = meta.readUInt32LE(8);
  if (pageBytes < pageBytesMin || pageBytes > pageBytesMax || (pageBytes & (pageBytes - 1)) !== 0) return undefined;
  return {
    pageBytes,
    rootPage: Number(meta.readBigUInt64LE(16)),
    freelistPage: Number(meta.readBigUInt64LE(32)),
    pageCount: Number(meta.readBigUInt64LE(40)),
    transaction: meta.readBigUInt64LE(48),
  };
}

/** A whole meta page; `id` is 0 or 1. */
export function encodeMeta(id: number, { pageBytes, rootPage, freelistPage, pageCount, transaction }: Meta): Buffer {
  const page = Buffer.alloc(pageBytes);
  writePageHeader(page, { id, flags: PageFlag.meta, count: 0, overflow: 0 });
  const meta = page.subarray(pageHeaderBytes);
  meta.writeUInt32LE(magic, 0);
  meta.writeUInt32LE(formatVersion, 4);
  meta.writeUInt32LE(pageBytes, 8);
  meta.writeBigUInt64LE(BigInt(rootPage), 16);
  meta.writeBigUInt64LE(BigInt(freelistPage), 32);
  meta.writeBigUInt64LE(BigInt(pageCount), 40);
  meta.writeBigUInt64LE(transaction, 48);
  meta.writeBigUInt64LE(fnv1a(meta.subarray(0, 56)), 56);
  return page;
}

/** Of a damaged meta too: whether the first bytes of a file look like bbolt's at all. */
export function looksLikeBolt(start: Buffer): boolean {
  return start.length >= pageHeaderBytes + 8 && start.readUInt32LE(pageHeaderBytes) === magic;
}

/** Every page size there may be, the usual first: where to look for the second meta when the first is broken. */
export function pageSizes(): number[] {
  const sizes = [defaultPageBytes];
  for (let size = pageBytesMin; size <= pageBytesMax; size *= 2) if (size !== defaultPageBytes) sizes.push(size);
  return sizes;
}

export interface PageHeader {
  id: number;
  flags: number;
  count: number;
  /** Pages after this one that belong to it. */
  overflow: number;
}

export function writePageHeader(page: Buffer, { id, flags, count, overflow }: PageHeader): void {
  page.writeBigUInt64LE(BigInt(id), 0);
  page.writeUInt16LE(flags, 8);
  page.writeUInt16LE(count, 10);
  page.writeUInt32LE(overflow, 12);
}

export function readPageHeader(page: Buffer): PageHeader {
  return {
    id: Number(page.readBigUInt64LE(0)),
    flags: page.readUInt16LE(8),
    count: page.readUInt16LE(10),
    overflow: page.readUInt32LE(12),
  };
}

function fnv1a(bytes: Buffer): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}
