/** Any store, moved to etcd's format and back, holds what it held. */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { type Database, type KvRow, openDatabase } from '../backend/database.ts';
import { KvStore } from '../mvcc/kv-store.ts';
import { noLeases, randomId, temporaryDirectory } from '../testing/fixtures.ts';
import { noClock } from './embedded-snapshot.ts';
import { restoreToDirectory, restoreToEtcdSnapshot } from './restore.ts';
import { openSource } from './source.ts';
import { snapshotStatus } from './status.ts';

type Op = { put: Buffer; value: Buffer; lease: bigint } | { delete: Buffer; end: string | null | undefined };

interface History {
  txns: Op[][];
  /** Of the revisions there are; undefined: none. */
  compactAt: number | undefined;
  /** The process ended before the rows were dropped. */
  isCompactionCut: boolean;
  leases: [bigint, number][];
}

const key = fc.oneof(
  fc.constantFrom('a', 'b', 'c', 'dd', '\0', 'ÿÿ').map((k) => Buffer.from(k, 'latin1')),
  fc.uint8Array({ minLength: 1, maxLength: 30 }).map((k) => Buffer.from(k)),
);
const value = fc.oneof(
  { weight: 6, arbitrary: fc.uint8Array({ maxLength: 50 }).map((v) => Buffer.from(v)) },
  { weight: 3, arbitrary: fc.nat({ max: 9000 }).map((length) => Buffer.alloc(length, 'v')) },
  { weight: 1, arbitrary: fc.nat({ max: 255 }).map((byte) => Buffer.alloc(1_000_000 + byte, byte)) },
);
const int64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n };
const lease = fc.oneof({ weight: 4, arbitrary: fc.constant(0n) }, fc.bigInt(int64));
const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ put: key, value, lease }) },
  { weight: 2, arbitrary: fc.record({ delete: key, end: fc.constantFrom(undefined, null, 'c', 'e') }) },
);
const history: fc.Arbitrary<History> = fc.record({
  txns: fc.array(fc.array(op, { minLength: 1, maxLength: 5 }), { maxLength: 30 }),
  compactAt: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
  isCompactionCut: fc.boolean(),
  leases: fc.uniqueArray(fc.tuple(fc.bigInt(int64), fc.integer({ min: 1, max: 9_000_000_000 })), {
    selector: ([id]) => id,
    maxLength: 60,
  }),
});

const pace = () => undefined;
const unbumped = { bumpRevision: 0, randomId, pace };

function play({ txns, compactAt, isCompactionCut, leases }: History, directory: string): void {
  const database = openDatabase(directory, randomId, noClock);
  const kv = new KvStore(database, noLeases);
  database.begin();
  for (const txn of txns) {
    kv.begin();
    for (const one of txn) {
      if ('put' in one) kv.put(one.put, one.value, one.lease);
      else kv.deleteRange({ key: one.delete.toString('latin1'), end: one.end });
    }
    kv.end();
  }
  const revision = compactAt === undefined ? 0 : Math.ceil(compactAt * kv.revision);
  if (revision > 0) kv.compact(revision);
  if (revision > 0 && !isCompactionCut) kv.compactSome('', Number.POSITIVE_INFINITY);
  for (const [id, ttl] of leases) database.putLease(id, ttl);
  database.commit();
  database.close();
}

/** All that a store shows: its rows, and what is read at each revision. */
function shown(directory: string) {
  const database = openDatabase(directory, randomId, noClock);
  try {
    const rows: KvRow[] = [...database.history(0, 2 ** 38)].map((row) => ({
      ...row,
      key: Buffer.from(row.key),
      value: database.read(row.main, row.sub).value,
    }));
    const kv = new KvStore(database, noLeases);
    const { revision, compactRevision } = kv;
    const states = [];
    for (let at = Math.max(1, compactRevision); at <= revision; at++) {
      const state: string[] = [];
      kv.scan({ key: '', end: null }, at, (key, found) => {
        state.push(`${key}@${found.main}.${found.sub}v${found.version}`);
        return true;
      });
      states.push(state);
    }
    return { rows, leases: sorted(database.leases()), revision, compactRevision, states };
  } finally {
    database.close();
  }
}

const sorted = (leases: { id: bigint; ttlSeconds: number }[]) => leases.sort((a, b) => (a.id < b.id ? -1 : 1));

async function thereAndBack(t: TestContext, fill: (directory: string) => void) {
  const dir = temporaryDirectory(t);
  const [from, file, back] = [join(dir, 'from'), join(dir, 'etcd.db'), join(dir, 'back')];
  fill(from);
  const source = await openSource(from, { skipHashCheck: false, pace });
  await restoreToEtcdSnapshot(source, file, unbumped);
  const status = await snapshotStatus(source, pace);
  source.close();
  const snapshot = await openSource(file, { skipHashCheck: false, pace });
  await restoreToDirectory(snapshot, back, unbumped);
  assert.equal((await snapshotStatus(snapshot, pace)).hash, status.hash, 'both files hash the same');
  snapshot.close();
  return { from, file, back };
}

function both(from: string, back: string, compare: (before: Database, after: Database) => void): void {
  const [before, after] = [openDatabase(from, randomId, noClock), openDatabase(back, randomId, noClock)];
  try {
    compare(before, after);
  } finally {
    before.close();
    after.close();
  }
}

test('snapshot: to etcd and back: any history is the same', async (t) => {
  await fc.assert(
    fc.asyncProperty(history, async (one) => {
      const { from, back } = await thereAndBack(t, (directory) => play(one, directory));
      assert.deepEqual(shown(back), shown(from));
    }),
    { numRuns: 25 },
  );
});

test('snapshot: to etcd and back: tens of thousands of keys, values over many pages', async (t) => {
  const many = 30_000;
  const { from, file, back } = await thereAndBack(t, (directory) => {
    const database = openDatabase(directory, randomId, noClock);
    const kv = new KvStore(database, noLeases);
    database.begin();
    for (let i = 0; i < many; i++) {
      kv.begin();
      kv.put(Buffer.from(`key${i % 20_000}`), Buffer.alloc(i % 1000 === 0 ? 1_000_000 : i % 300, i & 0xff), 0n);
      kv.end();
    }
    database.commit();
    database.close();
  });
  assert.ok(statSync(file).size > 30_000_000);
  both(from, back, (before, after) => {
    let rows = 0;
    const others = after.history(0, 2 ** 38);
    for (const row of before.history(0, 2 ** 38)) {
      assert.deepEqual(others.next().value, row);
      assert.ok(before.read(row.main, row.sub).value.equals(after.read(row.main, row.sub).value));
      rows++;
    }
    assert.equal(others.next().done, true);
    assert.equal(rows, many);
  });
});

test('snapshot: bumped: goes on beyond, everything before is compacted, in either format', async (t) => {
  const one: History = {
    txns: Array.from({ length: 9 }, (_, i): Op[] => [
      { put: Buffer.from(`k${i % 3}`), value: Buffer.from('v'), lease: 0n },
    ]),
    compactAt: undefined,
    isCompactionCut: false,
    leases: [],
  };
  const dir = temporaryDirectory(t);
  play(one, join(dir, 'from'));
  const source = await openSource(join(dir, 'from'), { skipHashCheck: false, pace });
  const bumped = { bumpRevision: 1_000_000_000, randomId, pace };
  await restoreToDirectory(source, join(dir, 'direct'), bumped);
  await restoreToEtcdSnapshot(source, join(dir, 'etcd.db'), bumped);
  source.close();
  const snapshot = await openSource(join(dir, 'etcd.db'), { skipHashCheck: false, pace });
  assert.deepEqual([snapshot.revision, snapshot.compactRevision], [1_000_000_010, 1_000_000_010]);
  await restoreToDirectory(snapshot, join(dir, 'back'), unbumped);
  snapshot.close();
  for (const name of ['direct', 'back']) {
    const database = openDatabase(join(dir, name), randomId, noClock);
    const kv = new KvStore(database, noLeases);
    assert.deepEqual([kv.revision, kv.compactRevision], [1_000_000_010, 1_000_000_010]);
    assert.throws(() => kv.scan({ key: '', end: null }, 10, () => true), /compacted/);
    assert.equal(kv.get('k0')?.modRevision, 8);
    assert.equal([...kv.history(0, 2 ** 38)].length, 9, 'no row but those of keys');
    database.begin();
    kv.begin();
    kv.put(Buffer.from('k0'), Buffer.from('new'), 0n);
    kv.end();
    database.commit();
    assert.equal(kv.get('k0')?.modRevision, 1_000_000_011);
    database.close();
  }
});

test('snapshot: a restored store: is another cluster and another member', async (t) => {
  const { from, back } = await thereAndBack(t, (directory) => openDatabase(directory, randomId, noClock).close());
  both(from, back, (before, after) => {
    assert.notEqual(before.clusterId, after.clusterId);
    assert.notEqual(before.memberId, after.memberId);
  });
});
