/** Whatever a file holds: it is restored as a whole, or refused in one line, and then nothing of it is left anywhere. */
import assert from 'node:assert/strict';
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { OperatorError } from '#base/errors.ts';
import { openDatabase } from '../backend/database.ts';
import { KvStore } from '../mvcc/kv-store.ts';
import { noLeases, randomId, temporaryDirectory } from '../testing/fixtures.ts';
import { BoltWriter } from './bolt/writer.ts';
import { noClock } from './embedded-snapshot.ts';
import { encodeRevision, encodeRow } from './etcd-layout.ts';
import { restoreToDirectory, restoreToEtcdSnapshot } from './restore.ts';
import { saveFromDirectory } from './save.ts';
import { appendHash, openSnapshot } from './snapshot-file.ts';
import { openSource } from './source.ts';

const pace = () => undefined;
const options = { bumpRevision: 0, randomId, pace };

/** The same store as a snapshot of either kind. */
async function samples(dir: string): Promise<{ embedded: string; etcd: string }> {
  const data = join(dir, 'data');
  const database = openDatabase(data, randomId, noClock);
  const kv = new KvStore(database, noLeases);
  database.begin();
  for (let i = 0; i < 300; i++) {
    kv.begin();
    kv.put(Buffer.from(`k${i % 50}`), Buffer.alloc(i === 7 ? 9000 : 30, 'v'), 0n);
    kv.end();
  }
  database.putLease(7n, 60);
  kv.compact(40);
  database.commit();
  database.close();
  const [embedded, etcd] = [join(dir, 'embedded.db'), join(dir, 'etcd.db')];
  await saveFromDirectory(data, embedded, pace);
  const source = await openSource(data, { skipHashCheck: false, pace });
  await restoreToEtcdSnapshot(source, etcd, options);
  source.close();
  return { embedded, etcd };
}

async function restore(file: string, target: string, skipHashCheck: boolean): Promise<void> {
  const contents = await openSnapshot(file, { skipHashCheck, pace });
  try {
    await restoreToDirectory(contents, target, options);
  } finally {
    contents.close();
  }
}

for (const kind of ['embedded', 'etcd'] as const) {
  test(`snapshot: damaged: a ${kind} one with any bytes changed or cut off`, async (t) => {
    const dir = temporaryDirectory(t);
    const whole = readFileSync((await samples(dir))[kind]);
    const place = join(dir, 'place');
    const file = join(dir, 'damaged.db');
    const changes = fc.array(fc.tuple(fc.nat({ max: whole.length - 1 }), fc.nat({ max: 255 })), { maxLength: 20 });
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(changes, fc.option(fc.nat({ max: whole.length })), fc.boolean(), async (all, end, isAimed) => {
        const copy = Buffer.from(whole.subarray(0, end ?? whole.length));
        for (const [at, byte] of all) {
          // Structure is in the first bytes of pages.
          const place = isAimed ? at - (at % 4096) + (at % 100) : at;
          if (place < copy.length) copy[place] = byte;
        }
        writeFileSync(file, copy);
        const isWhole = copy.equals(whole);
        mkdirSync(place);
        try {
          const strict = await restore(file, join(place, 'strict'), false).then(
            () => undefined,
            (error: unknown) => error,
          );
          assert.equal(strict === undefined, isWhole, 'the hash tells');
          if (strict) assert.ok(strict instanceof OperatorError, String(strict));
          if (strict) assert.deepEqual(readdirSync(place), []);
          else rmSync(join(place, 'strict'), { recursive: true });
          try {
            await restore(file, join(place, 'lenient'), true);
            openDatabase(join(place, 'lenient'), randomId, noClock).close();
            assert.deepEqual(readdirSync(place), ['lenient']);
          } catch (error) {
            refused++;
            assert.ok(error instanceof OperatorError, String((error as Error).stack));
            assert.equal(error.message.trim().split('\n').length, 1, error.message);
            assert.deepEqual(readdirSync(place), []);
          }
        } finally {
          rmSync(place, { recursive: true });
        }
      }),
      { numRuns: 60 },
    );
    assert.ok(refused > 10, `refused ${refused}`);
  });
}

function etcdFile(t: TestContext, entries: { key: Buffer; value: Buffer }[]): string {
  const path = join(temporaryDirectory(t), 'made.db');
  const fd = openSync(path, 'w');
  const writer = new BoltWriter(fd);
  const bucket = writer.bucket('key');
  for (const { key, value } of entries) bucket.add(key, value);
  bucket.end();
  writer.finish();
  closeSync(fd);
  return path;
}

test('snapshot: an etcd database with right pages and wrong contents: refused, by its place', async (t) => {
  const row = {
    main: 5,
    sub: 0,
    key: Buffer.from('k'),
    value: Buffer.from('v'),
    createRevision: 5,
    version: 1,
    lease: 0n,
  };
  const good = encodeRow(row);
  const cases: [{ key: Buffer; value: Buffer }[], RegExp][] = [
    [[{ key: Buffer.from('no revision'), value: good.value }], /a key that is no revision/],
    [
      [{ key: encodeRevision(2 ** 38, 0), value: good.value }],
      /revision 274877906944.0 is larger than the embedded store/,
    ],
    [[{ key: encodeRevision(5, 2 ** 24), value: good.value }], /revision 5.16777216 is larger/],
    [[{ key: encodeRevision(6, 0), value: good.value }], /revision 6.0 says that it is version 1, modified at 5/],
    [[encodeRow({ ...row, createRevision: 6 })], /revision 5.0 says/],
    [[{ key: good.key, value: Buffer.from([0x0a, 0x50, 1]) }], /revision 5.0 cannot be decoded/],
  ];
  for (const [entries, message] of cases) {
    const target = join(temporaryDirectory(t), 'target');
    await assert.rejects(restore(etcdFile(t, entries), target, true), (error: Error) => {
      assert.ok(error instanceof OperatorError);
      assert.match(error.message, message);
      return true;
    });
    assert.equal(statSync(target, { throwIfNoEntry: false }), undefined);
  }
});

test('snapshot: an SQLite file of another program, of the future, or with views: refused', async (t) => {
  const dir = temporaryDirectory(t);
  const { embedded } = await samples(dir);
  const target = join(dir, 'target');
  const changed = async (sql: string) => {
    const file = join(dir, 'changed.db');
    copyFileSync(embedded, file);
    writeFileSync(file, readFileSync(file).subarray(0, -32));
    const db = new DatabaseSync(file);
    db.exec(`PRAGMA journal_mode = DELETE; ${sql}`);
    db.close();
    await appendHash(file, statSync(file).size);
    return file;
  };
  await assert.rejects(restore(await changed('PRAGMA application_id = 1'), target, false), /of another program/);
  await assert.rejects(
    restore(await changed('PRAGMA user_version = 99'), target, false),
    /a newer version wrote it \(format 99, this one reads \d+\)/,
  );
  await assert.rejects(
    restore(await changed('DROP TABLE kv; CREATE VIEW kv AS SELECT 1 AS id'), target, false),
    /it holds view kv, table lease, table meta/,
  );
  assert.equal(statSync(target, { throwIfNoEntry: false }), undefined);
});

test('snapshot: where it may not go: refused, and left as it is', async (t) => {
  const dir = temporaryDirectory(t);
  const { embedded } = await samples(dir);
  await assert.rejects(restore(embedded, join(dir, 'data'), false), /is not empty: move it away/);
  await assert.rejects(restore(embedded, embedded, false), /is not a directory/);
  await assert.rejects(restore(embedded, join(dir, 'no', 'where'), false), /does not exist: make it/);
  const foreign = join(dir, 'letter.txt');
  appendFileSync(foreign, 'dear');
  await assert.rejects(saveFromDirectory(join(dir, 'data'), foreign, pace), /exists and is no snapshot/);
  assert.equal(readFileSync(foreign, 'utf8'), 'dear');
  mkdirSync(join(dir, 'empty'));
  await restore(embedded, join(dir, 'empty'), false);
  assert.equal(statSync(join(dir, 'empty', 'store.db')).mode & 0o777, 0o600);
  const running = openDatabase(join(dir, 'data'), randomId, noClock);
  await assert.rejects(saveFromDirectory(join(dir, 'data'), join(dir, 'x.db'), pace), /runs: stop it, or save/);
  running.close();
  const stop = () => Promise.reject(new OperatorError('interrupted'));
  const contents = await openSnapshot(embedded, { skipHashCheck: true, pace });
  await assert.rejects(restoreToDirectory(contents, join(dir, 'half'), { ...options, pace: stop }), /interrupted/);
  await assert.rejects(
    restoreToDirectory(contents, join(dir, 'half'), { ...options, bumpRevision: 2 ** 38 }),
    /--bump-revision 274877906\d+ or less/,
  );
  contents.close();
  assert.deepEqual(
    readdirSync(dir).filter((name) => name.includes('part') || name === 'half' || name === 'x.db'),
    [],
  );
});
