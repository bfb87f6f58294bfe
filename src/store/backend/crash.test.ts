/**
 * What a crash, a power cut or a bad disk may leave behind, and what becomes of it at the next start: every state that a
 * store can stop in is written down while it works, damaged, and opened. Refused, or what was acknowledged; never wrong.
 */
import assert from 'node:assert/strict';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { OperatorError } from '#base/errors.ts';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { seededRandom } from '#base/testing/seeded-random.ts';
import { AlarmType } from '#etcd/messages.ts';
import { putRequest, randomId, temporaryDirectory, temporaryStore } from '../testing/fixtures.ts';
import { type Database, openDatabase } from './database.ts';

const revisionEnd = 2 ** 38;
const frameBytes = 24 + 4096;

/** Everything that is stored, as text. */
function contents(database: Database): string {
  const rows = [...database.history(0, revisionEnd)].map(({ main, sub, key, version, createRevision, lease }) => {
    const { value } = database.read(main, sub);
    return `${main}.${sub} ${key} v${version} c${createRevision} l${lease} ${value.toString('hex')}`;
  });
  const leases = database.leases().map(({ id, ttlSeconds }) => `lease ${id} ${ttlSeconds}`);
  return [...rows, ...leases.sort(), `compact ${database.compactRevision}`, `alarms ${database.alarms}`].join('\n');
}

interface Files {
  db: Buffer;
  wal: Buffer;
  mark: Buffer | undefined;
}

/** A store in one moment: its files, and which of its states may come out of them. */
interface Moment extends Files {
  /** The last state that was acknowledged, and the last that was written. */
  acknowledged: number;
  written: number;
  /** What of the journal had been synced. */
  syncedBytes: number;
}

interface Life {
  dir: string;
  states: string[];
  moments: Moment[];
  /** Bytes of the journal after each state. */
  journal: number[];
}

function filesOf(dir: string): Files {
  const path = join(dir, 'store.db');
  const mark = `${path}-mark`;
  return {
    db: readFileSync(path),
    wal: withoutPiece(readFileSync(`${path}-wal`)),
    mark: existsSync(mark) ? readFileSync(mark) : undefined,
  };
}

/** A life of random requests; each commit and each sync is a moment. */
async function live(t: TestContext, requests: number, seed: number, checkpointPages: number): Promise<Life> {
  const dir = temporaryDirectory(t);
  const random = seededRandom(seed);
  const pick = (n: number) => Math.floor(random() * n);
  const real = openDatabase(dir, randomId, new FakeClock(), { checkpointPages });
  const life: Life = { dir, states: [contents(real)], moments: [], journal: [journalEnd(filesOf(dir).wal)] };
  let acknowledged = 0;
  let syncedBytes = life.journal[0]!;
  const note = () => {
    const written = life.states.length - 1;
    life.moments.push({ ...filesOf(dir), acknowledged, written, syncedBytes });
  };
  note();
  const database = Object.create(real, {
    commit: {
      value: () => {
        real.commit();
        life.states.push(contents(real));
        life.journal.push(journalEnd(readFileSync(join(dir, 'store.db-wal'))));
        note();
      },
    },
    sync: {
      value: (done: (error: Error | null) => void, isAlone: boolean) =>
        real.sync((error) => {
          acknowledged = life.states.length - 1;
          syncedBytes = life.journal.at(-1)!;
          note();
          done(error);
        }, isAlone),
    },
    begin: { value: () => real.begin() },
    compactRevision: { get: () => real.compactRevision, set: (r: number) => (real.compactRevision = r) },
    alarms: { get: () => real.alarms, set: (text: string) => (real.alarms = text) },
  }) as Database;
  const store = temporaryStore(t, { clock: new FakeClock(), database });
  const key = () => `k${pick(6)}`;
  const work: (() => Promise<unknown>)[] = [
    () => store.put(putRequest(key(), 'x'.repeat(pick(3000)))),
    () => store.put(putRequest(key(), String(pick(1000)))),
    () => store.deleteRange({ key: Buffer.from(key()), rangeEnd: Buffer.alloc(0), prevKv: false }),
    () => store.leaseGrant(0n, 100).then(({ id }) => store.put(putRequest(key(), 'leased', id))),
    async () => {
      const member = BigInt(pick(3));
      await store.alarmActivate(member, AlarmType.CORRUPT);
      await store.alarmDeactivate(member, AlarmType.CORRUPT);
    },
    () => store.compact(store.revision - pick(3), pick(2) === 0),
    async () => {
      const [id] = store.lessor.ids();
      if (id) await store.leaseRevoke(id);
    },
  ];
  for (let i = 0; i < requests; i++) {
    const some = Array.from({ length: 1 + pick(3) }, () => work[pick(work.length)]!().catch(() => {}));
    await Promise.all(some);
  }
  await store.stop();
  real.close();
  return life;
}

/** Where the frames of the present generation end: behind them are those of the ones before. */
function journalEnd(wal: Buffer): number {
  let at = 32;
  while (at + frameBytes <= wal.length && wal.compare(wal, 16, 24, at + 8, at + 16) === 0) at += frameBytes;
  return at;
}

/** 0: it is empty. */
const generationOf = (wal: Buffer): number => (wal.length < 32 ? 0 : wal.readUInt32BE(16));

/** The journal is kept longer than what is in it: one frame of that says as much as all of it. */
const withoutPiece = (wal: Buffer): Buffer => Buffer.from(wal.subarray(0, journalEnd(wal) + frameBytes));

const scratch = (t: TestContext): ((files: Files) => string) => {
  // In memory where there is such a place: these directories are opened thousands of times.
  const parent = existsSync('/dev/shm') ? mkdtempSync('/dev/shm/store-') : temporaryDirectory(t);
  t.after(() => rmSync(parent, { recursive: true, force: true }));
  let n = 0;
  return ({ db, wal, mark }) => {
    const dir = join(parent, String(n++));
    mkdirSync(dir);
    const path = join(dir, 'store.db');
    writeFileSync(path, db);
    writeFileSync(`${path}-wal`, wal);
    if (mark) writeFileSync(`${path}-mark`, mark);
    return dir;
  };
};

/** What comes out of a directory: a state, or why the start is refused. It must be the same the second time. */
function reopened(dir: string): { state?: string; refusal?: string } {
  const once = () => {
    let database: Database;
    try {
      database = openDatabase(dir, randomId, new FakeClock());
    } catch (error) {
      assert.ok(error instanceof OperatorError, `not in one line: ${error}`);
      return { refusal: error.message };
    }
    try {
      return { state: contents(database) };
    } finally {
      database.close();
    }
  };
  const first = once();
  assert.deepEqual(once(), first);
  rmSync(dir, { recursive: true });
  return first;
}

function checkMoment(life: Life, { acknowledged, written }: Moment, dir: string, what: string): number {
  const { state, refusal } = reopened(dir);
  assert.equal(refusal, undefined, what);
  const found = life.states.lastIndexOf(state!);
  assert.ok(found >= 0, `${what}: a state that never was`);
  const isAcknowledged = found >= acknowledged || life.states.indexOf(state!, acknowledged) >= 0;
  assert.ok(
    isAcknowledged && life.states.indexOf(state!) <= written,
    `${what}: ${found} of ${acknowledged}–${written}`,
  );
  return found;
}

test('crash: killed at any commit or sync: what was acknowledged is there, and nothing half', async (t) => {
  const life = await live(t, 60, 7, 20);
  const place = scratch(t);
  assert.ok(life.moments.length > 100);
  assert.ok(new Set(life.moments.map(({ wal }) => generationOf(wal))).size > 2, 'several generations of the journal');
  for (const [i, moment] of life.moments.entries()) checkMoment(life, moment, place(moment), `moment ${i}`);
  // And after the clean end.
  const database = openDatabase(life.dir, randomId, new FakeClock());
  assert.equal(contents(database), life.states.at(-1));
  database.close();
  assert.deepEqual(readdirSync(life.dir), ['store.db']);
});

test('crash: power cut during any sync: the unsynced end of the journal is torn anywhere, lost, or garbage', async (t) => {
  const life = await live(t, 25, 11, 30);
  const place = scratch(t);
  let torn = 0;
  for (const [i, moment] of life.moments.entries()) {
    const { wal, syncedBytes } = moment;
    const end = life.journal[moment.written]!;
    if (end <= syncedBytes) continue;
    for (let at = syncedBytes; at <= end; at += 1021) {
      checkMoment(life, moment, place({ ...moment, wal: wal.subarray(0, at) }), `moment ${i} cut at ${at}`);
      const zeroed = Buffer.from(wal);
      zeroed.fill(0, at, end);
      checkMoment(life, moment, place({ ...moment, wal: zeroed }), `moment ${i} zeroed from ${at}`);
      // Pages reach the disk in any order: a hole with the rest behind it.
      const holed = Buffer.from(wal);
      holed.fill(0x5a, at, Math.min(at + 512, end));
      checkMoment(life, moment, place({ ...moment, wal: holed }), `moment ${i} holed at ${at}`);
      torn++;
    }
  }
  assert.ok(torn > 100, `${torn} tears`);
});

test('crash: power cut while the journal is moved back: pages of the file old, new, or half of each', async (t) => {
  const life = await live(t, 40, 3, 25);
  const place = scratch(t);
  const random = seededRandom(5);
  let checked = 0;
  for (let i = 1; i < life.moments.length; i++) {
    const [before, after] = [life.moments[i - 1]!, life.moments[i]!];
    if (before.db.equals(after.db)) continue;
    // The file changed since: all that it got comes from the journal as it was before.
    for (let n = 0; n < 20; n++) {
      const db = Buffer.from(after.db.length > before.db.length && n % 2 ? after.db : before.db);
      for (let page = 0; page < db.length; page += 4096) {
        const from = random() < 0.5 ? before.db : after.db;
        const length = random() < 0.3 ? 2048 : 4096;
        if (page < from.length) from.copy(db, page, page, Math.min(page + length, from.length));
      }
      checkMoment(life, before, place({ ...before, db }), `moved back before moment ${i}`);
      checked++;
    }
  }
  assert.ok(checked >= 40, `${checked} mixtures`);
});

test('bad disk: the journal cut at any place: the whole transactions before it, or refused', async (t) => {
  const life = await live(t, 12, 19, 10_000);
  const place = scratch(t);
  const last = life.moments.at(-1)!;
  for (let at = 0; at < journalEnd(last.wal); at += 311) {
    const { state, refusal } = reopened(place({ ...last, wal: last.wal.subarray(0, at) }));
    const whole = life.journal.findLastIndex((end) => end <= at);
    if (at < 32) assert.match(refusal!, /store\.db-wal is missing or empty, and holds the newest writes/);
    else if (whole >= 0) assert.equal(state, life.states[whole], `cut at ${at}`);
    else assert.equal(state, initial(life), `cut at ${at}`);
  }
});

const initial = (life: Life): string => life.states[0]!;

test('bad disk: any byte of the journal changed: refused, unless only the newest can be meant', async (t) => {
  const life = await live(t, 12, 23, 10_000);
  const place = scratch(t);
  const last = life.moments.at(-1)!;
  /** Frames of the newest two transactions: behind a broken end of one there is only the other. */
  const isNewest = (at: number) => at >= life.journal.at(-3)!;
  let refused = 0;
  const steps = [0, 1, 5, 9, 13, 17, 21, 30, 500, 2000, 4100];
  for (let frame = 0; frame < 32; frame++) {
    const wal = Buffer.from(last.wal);
    wal[frame]! ^= 0x40;
    // The page size and the like: whatever it is, it is no other state.
    const { state, refusal } = reopened(place({ ...last, wal }));
    assert.ok(refusal, `header byte ${frame} gave ${state?.length}`);
  }
  for (let start = 32; start < journalEnd(last.wal); start += frameBytes) {
    for (const step of steps) {
      const at = start + step;
      const wal = Buffer.from(last.wal);
      wal[at]! ^= 0x01;
      const { state, refusal } = reopened(place({ ...last, wal }));
      if (refusal) {
        assert.match(refusal, /store\.db-wal is damaged before its end: restore a snapshot/);
        refused++;
      } else {
        assert.ok(isNewest(at), `byte ${at} of ${wal.length} went unnoticed`);
        assert.ok(life.states.includes(state!), `byte ${at} gave a state that never was`);
      }
    }
  }
  assert.ok(refused > 100, `${refused} refused`);
});

test('bad disk: a journal that is missing, of another database, or of another time: refused, and left as it was', async (t) => {
  const life = await live(t, 30, 29, 20);
  const other = await live(t, 5, 31, 1000);
  const place = scratch(t);
  const last = life.moments.at(-1)!;
  const refusalOf = (files: Files, prepare: (path: string) => void = () => {}) => {
    const path = join(place(files), 'store.db');
    prepare(path);
    const before = contentsOf(path);
    assert.throws(() => openDatabase(join(path, '..'), randomId, new FakeClock()), OperatorError);
    assert.deepEqual(contentsOf(path), before);
    return reopened(join(path, '..')).refusal!;
  };
  assert.match(
    refusalOf(last, (path) => rmSync(`${path}-wal`)),
    /store\.db-wal is missing or empty, .* or remove .*store\.db-mark to go on without them/,
  );
  assert.match(
    refusalOf({ ...last, wal: other.moments.at(-1)!.wal }),
    /is not the journal of .*store\.db as it was left/,
  );
  const earlier = life.moments.find(({ wal }) => ![0, generationOf(last.wal)].includes(generationOf(wal)))!;
  assert.match(refusalOf({ ...last, wal: earlier.wal }), /is not the journal of/);
  assert.match(
    refusalOf(last, (path) => rmSync(path)),
    /store\.db is missing, but its journal is there/,
  );
  assert.match(refusalOf({ ...last, db: Buffer.alloc(0) }), /store\.db is missing, but its journal is there/);
  assert.match(refusalOf({ ...last, mark: Buffer.from('?') }), /store\.db-mark is damaged/);
});

function contentsOf(path: string): (string | undefined)[] {
  return ['', '-wal', '-mark'].map((end) =>
    existsSync(path + end) ? readFileSync(path + end).toString('base64') : undefined,
  );
}

test('bad disk: leftovers: an index of another program, copies for clients, a half written mark: no matter', async (t) => {
  const life = await live(t, 10, 37, 1000);
  const place = scratch(t);
  const last = life.moments.at(-1)!;
  const dir = place(last);
  writeFileSync(join(dir, 'store.db-shm'), Buffer.alloc(32768, 0xa5));
  writeFileSync(join(dir, 'store.db-mark.new'), 'half');
  copyFileSync(join(dir, 'store.db'), join(dir, 'store.db.snapshot-left'));
  const database = openDatabase(dir, randomId, new FakeClock());
  assert.equal(contents(database), life.states.at(-1));
  assert.equal(existsSync(join(dir, 'store.db.snapshot-left')), false);
  database.close();
});

test('bad disk: a mark from before the journal was started anew: nothing was acknowledged since, so it opens', async (t) => {
  const life = await live(t, 40, 41, 15);
  const place = scratch(t);
  // The first moment of a generation is after its first commit, before that was synced and the mark was moved on.
  const fresh = life.moments.filter(({ wal, mark }) => mark && !String(mark).startsWith(`${generationOf(wal)} `));
  assert.ok(fresh.length > 1);
  for (const moment of fresh) checkMoment(life, moment, place(moment), 'a new generation');
});

test('crash: after commits that changed nothing, and after reorganizations: the journal is the marked one', async (t) => {
  const dir = temporaryDirectory(t);
  let number = 0;
  const life: ((database: Database) => void)[] = [() => {}, (database) => database.vacuum()];
  for (let start = 0; start < 3; start++) {
    const database = openDatabase(dir, randomId, new FakeClock());
    for (const between of [...life, ...life, life[1]!, life[1]!]) {
      database.begin();
      database.commit();
      await synced(database);
      between(database);
      database.begin();
      const [key, value] = [Buffer.from('k'), Buffer.from(String(++number))];
      database.insert({ main: number + 1, sub: 0, key, value, createRevision: 2, version: number, lease: 0n });
      database.commit();
      await synced(database);
      const copy = temporaryDirectory(t);
      for (const name of readdirSync(dir)) copyFileSync(join(dir, name), join(copy, name));
      const successor = openDatabase(copy, randomId, new FakeClock());
      assert.equal([...successor.history(0, revisionEnd)].length, number);
      successor.close();
    }
    // As killed: the next start finds the files of the last moment.
    const left = temporaryDirectory(t);
    for (const name of readdirSync(dir)) copyFileSync(join(dir, name), join(left, name));
    database.close();
    for (const name of readdirSync(dir)) rmSync(join(dir, name));
    for (const name of readdirSync(left)) copyFileSync(join(left, name), join(dir, name));
  }
});

function synced(database: Database): Promise<void> {
  return new Promise((resolve, reject) => database.sync((error) => (error ? reject(error) : resolve()), false));
}
