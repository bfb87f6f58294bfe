/** What is written is read back, for any content; and what is wrong with a file is said, whatever it is. */
import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { temporaryDirectory } from '../../testing/fixtures.ts';
import { DamagedSnapshot } from '../damaged-snapshot.ts';
import { decodeMeta, encodeMeta, PageFlag, readPageHeader, writePageHeader } from './format.ts';
import { BoltFile } from './reader.ts';
import { BoltWriter } from './writer.ts';

type Buckets = Record<string, [Buffer, Buffer][]>;

function write(path: string, buckets: Buckets): void {
  const fd = openSync(path, 'w');
  const writer = new BoltWriter(fd);
  for (const [name, entries] of Object.entries(buckets)) {
    const bucket = writer.bucket(name);
    for (const [key, value] of entries) bucket.add(key, value);
    bucket.end();
  }
  assert.equal(writer.finish(), statSync(path).size);
  closeSync(fd);
}

function read(path: string): Buckets {
  const fd = openSync(path, 'r');
  try {
    const file = new BoltFile(fd, statSync(path).size);
    const found: Buckets = {};
    for (const { name, entries } of file.buckets()) {
      found[name] = [...entries].map(({ key, value }) => [Buffer.from(key), Buffer.from(value)]);
      assert.deepEqual(file.last(name)?.key, found[name].at(-1)?.[0]);
    }
    return found;
  } finally {
    closeSync(fd);
  }
}

const bytes = fc.uint8Array({ maxLength: 40 }).map((a) => Buffer.from(a));
/** Up to some pages long, without generating each byte. */
const longBytes = fc
  .tuple(fc.nat({ max: 20_000 }), fc.nat({ max: 255 }))
  .map(([length, byte]) => Buffer.alloc(length, byte));
const entries = fc
  .array(fc.tuple(fc.oneof({ weight: 9, arbitrary: bytes }, longBytes), fc.oneof(bytes, longBytes)), { maxLength: 60 })
  .map((all) => {
    const byKey = new Map(all.map(([key, value]) => [key.toString('latin1'), [key, value] as [Buffer, Buffer]]));
    return [...byKey.values()].sort(([a], [b]) => Buffer.compare(a, b));
  });

test('bolt: any buckets: read back as they were written', (t) => {
  const path = join(temporaryDirectory(t), 'any.db');
  fc.assert(
    fc.property(fc.dictionary(fc.stringMatching(/^[a-z]{1,9}$/), entries, { noNullPrototype: true }), (buckets) => {
      write(path, buckets);
      assert.deepEqual(sorted(read(path)), sorted(buckets));
    }),
    { numRuns: 60 },
  );
});

const sorted = (buckets: Buckets) => Object.entries(buckets).sort(([a], [b]) => (a < b ? -1 : 1));

test('bolt: many entries: branches over branches, none with a single child', (t) => {
  const path = join(temporaryDirectory(t), 'deep.db');
  // 600-byte keys: 6 a page, also in branches.
  const key = (i: number) => Buffer.alloc(600, String(i).padStart(6, '0'));
  const entries = Array.from({ length: 20_000 }, (_, i): [Buffer, Buffer] => [key(i), Buffer.from(String(i))]);
  write(path, { deep: entries });
  assert.deepEqual(read(path), { deep: entries });
  const file = readFileSync(path);
  const children: number[] = [];
  for (let at = 0; at < file.length; at += 4096) {
    const { flags, count } = readPageHeader(file.subarray(at));
    if (flags === PageFlag.branch) children.push(count);
  }
  assert.ok(children.length > 500, 'it has branches');
  assert.ok(Math.min(...children) >= 2, `as few as ${Math.min(...children)}`);
});

test('bolt: two metas: the newer one counts, a damaged one does not', (t) => {
  const path = join(temporaryDirectory(t), 'meta.db');
  write(path, { a: [[Buffer.from('k'), Buffer.from('v')]] });
  const file = readFileSync(path);
  const meta = decodeMeta(file.subarray(4096))!;
  // One of a transaction that never was: pages beyond the end.
  const future = encodeMeta(0, { ...meta, transaction: 9n, rootPage: 4000 });
  const withFuture = Buffer.concat([future, file.subarray(4096)]);
  writeFileSync(path, withFuture);
  assert.throws(() => read(path), /points at page 4000/);
  withFuture[16 + 57]! ^= 1;
  writeFileSync(path, withFuture);
  assert.deepEqual(Object.keys(read(path)), ['a']);
  withFuture[4096 + 16 + 57]! ^= 1;
  writeFileSync(path, withFuture);
  assert.throws(() => read(path), /both of its meta pages are damaged/);
});

test('bolt: keys out of order: not written', (t) => {
  const fd = openSync(join(temporaryDirectory(t), 'order.db'), 'w');
  const bucket = new BoltWriter(fd).bucket('a');
  bucket.add(Buffer.from('b'), Buffer.from(''));
  assert.throws(() => bucket.add(Buffer.from('a'), Buffer.from('')), /in order/);
  assert.throws(() => bucket.add(Buffer.from('b'), Buffer.from('')), /in order/);
  closeSync(fd);
});

/** A file of one bucket over several levels, and where its pages are. */
function sample(t: TestContext) {
  const path = join(temporaryDirectory(t), 'sample.db');
  const entries = Array.from({ length: 900 }, (_, i): [Buffer, Buffer] => [
    Buffer.from(String(i).padStart(400, '0')),
    Buffer.alloc(i === 450 ? 9000 : 10, 'v'),
  ]);
  write(path, { bucket: entries, small: [[Buffer.from('k'), Buffer.from('v')]] });
  const file = readFileSync(path);
  const pages = (flags: number) => {
    const found: number[] = [];
    for (let at = 0; at < file.length; at += 4096) {
      const header = readPageHeader(file.subarray(at));
      if (header.flags === flags && header.id === at / 4096 && at > 0) found.push(header.id);
    }
    return found;
  };
  const check = (change: (file: Buffer) => Buffer | undefined) => {
    const copy = Buffer.from(file);
    writeFileSync(path, change(copy) ?? copy);
    return read(path);
  };
  return { file, leaves: pages(PageFlag.leaf), branches: pages(PageFlag.branch), check };
}

test('bolt: a hostile file: each kind of lie is named', (t) => {
  const { file, leaves, branches, check } = sample(t);
  const [leaf, other] = leaves as [number, number];
  const branch = branches[0]!;
  const root = leaves.at(-1)!;
  const at = (page: number, offset: number) => page * 4096 + offset;
  const child = (index: number) => at(branch, 16 + index * 16 + 8);
  const rejects = (change: (file: Buffer) => Buffer | undefined, message: RegExp) =>
    assert.throws(
      () => check(change),
      (error: unknown) => error instanceof DamagedSnapshot && message.test(error.message),
    );
  const write64 = (value: number, place: number) => (f: Buffer) => void f.writeBigUInt64LE(BigInt(value), place);

  assert.equal(check(() => undefined)['bucket']!.length, 900);
  rejects(write64(branch, child(0)), /page \d+ is used twice/);
  rejects(write64(other, child(0)), /page \d+ is used twice/);
  rejects(write64(1e15, child(0)), /points at page 1000000000000000, and has/);
  rejects(write64(0, child(1)), /points at page 0/);
  rejects(write64(1, child(1)), /points at page 1/);
  rejects(write64(2, child(1)), /page 2 is neither a branch nor a leaf/);
  rejects(write64(77, at(leaf, 0)), new RegExp(`page ${leaf} says that it is page 77`));
  rejects((f) => void f.writeUInt16LE(0xffff, at(leaf, 10)), /65535 elements, more than fit/);
  rejects((f) => void f.writeUInt16LE(0, at(branch, 10)), /a branch without children/);
  rejects((f) => void f.writeUInt32LE(0xffffffff, at(leaf, 12)), /goes on over 4294967296 pages/);
  rejects((f) => void f.writeUInt32LE(3, at(leaf, 12)), /is used twice/);
  rejects((f) => void f.writeUInt32LE(0xffffffff, at(leaf, 16 + 4)), /element 0 of page \d+ is larger than its page/);
  rejects((f) => void f.writeUInt32LE(5000, at(leaf, 16 + 8)), /larger than its page/);
  rejects((f) => void f.writeUInt32LE(0xffffffff, at(leaf, 16 + 12)), /larger than its page/);
  rejects((f) => void f.fill('z', at(leaf, 16 + 9 * 16), at(leaf, 16 + 9 * 16 + 400)), /out of order at page/);
  rejects((f) => f.subarray(0, f.length - 4096), /cut off/);
  rejects((f) => f.subarray(0, 5000), /cut off/);
  rejects((f) => f.subarray(0, 50), /meta pages are damaged/);
  // The root: a value where a bucket is due, a bucket without a header, an inline page that is cut off.
  rejects((f) => void f.writeUInt32LE(0, at(root, 16)), /its root has a value/);
  rejects((f) => void f.writeUInt32LE(8, at(root, 16 + 12)), /bucket "bucket" has no header/);
  rejects((f) => void f.writeUInt32LE(20, at(root, 32 + 12)), /the inline page of bucket "small" is cut off/);
  assert.equal(file.length % 4096, 0);
});

test('bolt: a chain of branches without end: refused at a depth', (t) => {
  const { file, check } = sample(t);
  const levels = 100;
  const first = file.length / 4096;
  const chain = Buffer.alloc(levels * 4096);
  for (let i = 0; i < levels; i++) {
    const page = chain.subarray(i * 4096);
    writePageHeader(page, { id: first + i, flags: PageFlag.branch, count: 1, overflow: 0 });
    page.writeUInt32LE(16, 16);
    page.writeBigUInt64LE(BigInt(first + i + 1), 24);
  }
  const meta = decodeMeta(file.subarray(4096))!;
  const broken = Buffer.concat([file, chain]);
  encodeMeta(1, { ...meta, transaction: 5n, rootPage: first, pageCount: first + levels }).copy(broken, 4096);
  assert.throws(() => check(() => broken), /deeper than 48 levels/);
});

test('bolt: any bits flipped: an error or other content, and always an end', (t) => {
  const { file, check } = sample(t);
  const flips = fc.array(fc.tuple(fc.nat({ max: file.length - 1 }), fc.nat({ max: 255 })), {
    minLength: 1,
    maxLength: 8,
  });
  // Structure is in the first bytes of pages: aim there.
  const aimed = flips.map((all) => all.map(([at, byte]) => [at - (at % 4096) + (at % 64), byte] as const));
  fc.assert(
    fc.property(fc.oneof(flips, aimed), (all) => {
      try {
        check((f) => {
          for (const [at, byte] of all) f[at] = byte;
          return undefined;
        });
      } catch (error) {
        assert.ok(error instanceof DamagedSnapshot, String(error));
      }
    }),
    { numRuns: 300 },
  );
});
