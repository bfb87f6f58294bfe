/**
 * What the store relies on, of the real database over SQLite and of the simulated one alike: so that what is found with
 * the one is true of the other. A power cut on the real one is a copy of its files with the journal cut short, anywhere
 * after what was synced.
 */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { realClock } from '#os/real-clock.ts';
import { type Database, openDatabase } from '#store/backend/database.ts';
import { SimDisk } from './disk.ts';
import { SimProcess } from './process.ts';
import { Random } from './random.ts';
import { Scheduler } from './scheduler.ts';

/** A machine with one database on it. */
interface Machine {
  open(): Database;
  /** The process dies, now; or with it the machine's memory. */
  crash(power: boolean): void;
  sync(database: Database): Promise<void>;
}

const seeds = [1, 2, 3, 4, 5, 6, 7, 8];
const machines: Record<string, (t: TestContext, seed: number) => Machine> = { simulated, real };

for (const [name, machine] of Object.entries(machines)) {
  test(`database contract: ${name}: what was committed is read, in order, also by the next process`, (t) => {
    const { open, crash } = machine(t, 1);
    let database = open();
    const { clusterId, memberId, term } = database;
    commit(database, () => {
      put(database, 2, 'b', 'two');
      put(database, 3, 'a', 'three', 1);
      put(database, 3, 'c', 'three', 0);
      database.putLease(7n, 30);
      database.putLease(8n, 40);
      database.compactRevision = 2;
    });
    commit(database, () => {
      database.delete(2, 0);
      database.deleteLease(8n);
      put(database, 2 ** 33, 'far', '');
    });
    for (let life = 1; life <= 2; life++) {
      const rows = [...database.history(0, 2 ** 38)].map(({ main, sub, key }) => `${main}.${sub} ${key}`);
      assert.deepEqual(rows, ['3.0 c', '3.1 a', `${2 ** 33}.0 far`]);
      assert.deepEqual([...database.history(4, 2 ** 33)], []);
      assert.equal(database.read(3, 1).value.toString(), 'three');
      assert.throws(() => database.read(2, 0), /in the index, but not in/);
      assert.deepEqual(database.leases(), [{ id: 7n, ttlSeconds: 30 }]);
      assert.equal(database.compactRevision, 2);
      assert.deepEqual([database.clusterId, database.memberId], [clusterId, memberId]);
      assert.equal(database.term, term + life - 1);
      crash(false);
      database = open();
    }
    database.close();
  });

  test(`database contract: ${name}: one transaction at a time, and a revision only once`, (t) => {
    const { open } = machine(t, 1);
    const database = open();
    database.begin();
    assert.throws(() => database.begin(), /within a transaction/);
    put(database, 2, 'a', 'x');
    assert.throws(() => put(database, 2, 'a', 'x'), /UNIQUE constraint failed/);
    database.commit();
    assert.throws(() => database.commit(), /no transaction is active/);
    database.close();
  });

  test(`database contract: ${name}: a power cut: all that was synced, and of the rest the first so many`, async (t) => {
    const kept = new Set<number>();
    for (const seed of seeds) {
      const { open, crash, sync } = machine(t, seed);
      const database = open();
      for (let main = 2; main <= 5; main++) commit(database, () => put(database, main, 'a', 'x'.repeat(500)));
      await sync(database);
      for (let main = 6; main <= 12; main++) commit(database, () => put(database, main, 'a', 'x'.repeat(500)));
      crash(true);
      const next = open();
      const mains = [...next.history(0, 100)].map(({ main }) => main);
      assert.deepEqual(
        mains,
        Array.from({ length: mains.length }, (_, i) => i + 2),
      );
      assert.ok(mains.length >= 4, `${mains.length} of 4 synced`);
      kept.add(mains.length);
      next.close();
    }
    assert.ok(kept.size > 2, 'the cut was always at the same place');
  });

  test(`database contract: ${name}: what an opened database shows, no power cut takes back`, async (t) => {
    for (const seed of seeds) {
      const { open, crash } = machine(t, seed);
      const database = open();
      for (let main = 2; main <= 9; main++) commit(database, () => put(database, main, 'a', 'x'.repeat(500)));
      crash(false);
      assert.equal([...open().history(0, 100)].length, 8);
      crash(true);
      const last = open();
      assert.equal([...last.history(0, 100)].length, 8, `seed ${seed}`);
      last.close();
    }
  });
}

function commit(database: Database, change: () => void): void {
  database.begin();
  change();
  database.commit();
}

function put(database: Database, main: number, key: string, value: string, sub = 0): void {
  const row = { main, sub, key: Buffer.from(key), createRevision: main, version: 1, lease: 0n };
  database.insert({ ...row, value: Buffer.from(value) });
}

function simulated(_t: TestContext, seed: number): Machine {
  const scheduler = new Scheduler(seed);
  const random = new Random(seed, 'contract');
  const disk = new SimDisk(scheduler, random, { syncMs: () => random.between(0, 10) });
  return {
    open: () => disk.open(new SimProcess('store', scheduler, random), () => 77n),
    crash: (power) => disk.crash(power),
    async sync(database) {
      let isDone = false;
      database.sync((error) => {
        assert.equal(error, null);
        isDone = true;
      }, false);
      assert.equal(isDone, false, 'called back at once, though others wait beside it');
      await scheduler.run(() => isDone);
    },
  };
}

function real(t: TestContext, seed: number): Machine {
  const random = new Random(seed, 'contract');
  let dir = mkdtempSync(join(tmpdir(), 'contract-'));
  const dirs = [dir];
  t.after(() => {
    for (const one of dirs) rmSync(one, { recursive: true, force: true });
  });
  let current: Database | undefined;
  let syncedBytes = 0;
  const journal = () => join(dir, 'store.db-wal');
  return {
    open() {
      current = openDatabase(dir, () => 77n, realClock);
      // It says that it has synced what is there.
      syncedBytes = writtenBytes(journal());
      return current;
    },
    crash(power) {
      const next = mkdtempSync(join(tmpdir(), 'contract-'));
      dirs.push(next);
      for (const name of ['store.db', 'store.db-wal', 'store.db-mark']) {
        if (existsSync(join(dir, name))) copyFileSync(join(dir, name), join(next, name));
      }
      current!.close();
      dir = next;
      if (power) truncateSync(journal(), random.between(syncedBytes, writtenBytes(journal())));
    },
    async sync(database) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const length = writtenBytes(journal());
      let isCalled = false;
      database.sync((error) => {
        isCalled = true;
        if (error) reject(error);
        else resolve();
      }, false);
      assert.equal(isCalled, false, 'called back at once, though others wait beside it');
      await promise;
      syncedBytes = length;
    },
  };
}

/** Without the zeros that are put behind the end for later. */
function writtenBytes(path: string): number {
  const bytes = readFileSync(path);
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return end;
}
