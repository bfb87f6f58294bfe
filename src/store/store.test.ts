import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { Event } from '#etcd/key-value.ts';
import { AlarmType, RangeRequest } from '#etcd/messages.ts';
import { type Database, openDatabase } from './backend/database.ts';
import type { WatcherOptions, WatchReceiver } from './mvcc/watch-hub.ts';
import { putRequest, randomId, temporaryDatabase, temporaryDirectory, temporaryStore } from './testing/fixtures.ts';

const rangeRequest = (key: string) => RangeRequest.decode(RangeRequest.encode({ key: Buffer.from(key) }));

/** A database whose syncs the test lets go. */
function heldSyncs(t: TestContext): { database: Database; syncs: ((error: Error | null) => void)[] } {
  const real = temporaryDatabase(t);
  const syncs: ((error: Error | null) => void)[] = [];
  const database = Object.create(real, { sync: { value: (done: () => void) => syncs.push(done) } }) as Database;
  return { database, syncs };
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; !condition(); i++) {
    assert.ok(i < 10_000, 'the condition never came');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('store: group commit: what arrives during a sync shares the next one', async (t) => {
  const { database, syncs } = heldSyncs(t);
  const store = temporaryStore(t, { database });
  const first = store.put(putRequest('a'));
  await until(() => syncs.length === 1);
  const others = Array.from({ length: 50 }, (_, i) => store.put(putRequest(`b${i}`)));
  syncs[0]!(null);
  assert.equal((await first).header!.revision, 2);
  await until(() => syncs.length === 2);
  syncs[1]!(null);
  const revisions = await Promise.all(others.map(async (put) => (await put).header!.revision));
  assert.deepEqual(
    revisions,
    Array.from({ length: 50 }, (_, i) => i + 3),
  );
  assert.equal(syncs.length, 2);
});

test('store: before the sync: no answer, nobody reads it, nobody hears of it', async (t) => {
  const { database, syncs } = heldSyncs(t);
  const store = temporaryStore(t, { database });
  const seen: string[] = [];
  const receiver: WatchReceiver = {
    isFull: () => false,
    events: () => seen.push('event'),
    progress() {},
    compacted() {},
    failed() {},
    synced() {},
  };
  const options: WatcherOptions = {
    range: { key: 'a', end: undefined },
    startRevision: 0,
    prevKv: false,
    progressNotify: false,
    filters: [],
  };
  store.watches.add(1, options, receiver);
  const put = store.put(putRequest('a')).then(() => seen.push('answer'));
  await until(() => syncs.length === 1);
  const read = Promise.resolve(store.range(rangeRequest('a'))).then(({ count }) => seen.push(`read ${count}`));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(seen, []);
  syncs[0]!(null);
  await Promise.all([put, read]);
  assert.deepEqual(seen.sort(), ['answer', 'event', 'read 1']);
});

test('store: a failed sync: no answer is given, the process is told to end, nothing more is taken', async (t) => {
  const { database, syncs } = heldSyncs(t);
  const fatal = Promise.withResolvers<Error>();
  const store = temporaryStore(t, { database, onFatal: fatal.resolve });
  let isAnswered = false;
  store.put(putRequest('a')).then(
    () => {
      isAnswered = true;
    },
    () => {
      isAnswered = true;
    },
  );
  await until(() => syncs.length === 1);
  syncs[0]!(new Error('EIO'));
  assert.match((await fatal.promise).message, /EIO/);
  assert.equal(isAnswered, false);
  await assert.rejects(store.put(putRequest('b')), /server stopped/);
});

test('store: a failed commit: what memory holds beyond the disk is shown to nobody', async (t) => {
  const real = temporaryDatabase(t);
  const database = Object.create(real, {
    commit: {
      value() {
        throw new Error('database or disk is full');
      },
    },
  }) as Database;
  const fatal = Promise.withResolvers<Error>();
  const store = temporaryStore(t, { database, onFatal: fatal.resolve });
  store.put(putRequest('a')).catch(() => {});
  await fatal.promise;
  await assert.rejects(async () => store.range(rangeRequest('a')), /server stopped/);
});

test('store: compaction at the very revision of a deletion: a watch from there is told of it', async (t) => {
  const store = temporaryStore(t);
  await store.put(putRequest('a'));
  await store.deleteRange({ key: Buffer.from('a'), rangeEnd: Buffer.alloc(0), prevKv: false });
  const deletion = store.revision;
  await store.put(putRequest('b'));
  await store.compact(deletion, true);
  const told: string[] = [];
  const receiver: WatchReceiver = {
    isFull: () => false,
    events(_watcher, events) {
      for (const bytes of events) {
        const { type, kv } = Event.decode(bytes);
        told.push(`${type === 1 ? 'DELETE' : 'PUT'} ${kv.key} ${kv.modRevision}`);
      }
    },
    progress() {},
    compacted: (_watcher, revision) => told.push(`compacted ${revision}`),
    failed() {},
    synced() {},
  };
  const options: WatcherOptions = {
    range: { key: 'a', end: null },
    startRevision: deletion,
    prevKv: false,
    progressNotify: false,
    filters: [],
  };
  const watcher = store.watches.add(1, options, receiver);
  await until(() => watcher.isSynced);
  assert.deepEqual(told, [`DELETE a ${deletion}`, `PUT b ${deletion + 1}`]);
});

test('store: a slow watcher: holds nothing in memory, and gets every event in order when it has room', async (t) => {
  const store = temporaryStore(t);
  let isFull = false;
  const revisions: number[] = [];
  let values: string[] = [];
  const receiver: WatchReceiver = {
    isFull: () => isFull,
    events(_watcher, events) {
      for (const bytes of events) {
        const { kv, prevKv } = Event.decode(bytes);
        revisions.push(kv.modRevision);
        values.push(`${prevKv?.value ?? ''}>${kv.value}`);
      }
    },
    progress() {},
    compacted: (_watcher, revision) => values.push(`compacted ${revision}`),
    failed() {},
    synced() {},
  };
  const watcher = store.watches.add(
    1,
    { range: { key: 'a', end: 'b' }, startRevision: 0, prevKv: true, progressNotify: false, filters: [] },
    receiver,
  );
  await store.put(putRequest('a', '0'));
  isFull = true;
  for (let i = 1; i <= 2500; i++) store.put(putRequest('a', String(i))).catch(() => {});
  await store.put(putRequest('z'));
  assert.equal(watcher.isSynced, false);
  assert.deepEqual([watcher.outgoing.length, values.length], [0, 1]);
  isFull = false;
  store.watches.resume(watcher);
  await until(() => watcher.isSynced);
  await store.put(putRequest('a', 'live'));
  assert.equal(values.length, 2502);
  assert.deepEqual(values.slice(-2), ['2499>2500', '2500>live']);
  assert.deepEqual(
    revisions,
    [...revisions].sort((a, b) => a - b),
  );

  // And when compaction has overtaken it, it is told so.
  isFull = true;
  values = [];
  await store.put(putRequest('a', 'unseen'));
  await store.put(putRequest('a', 'unseen'));
  await store.compact(store.revision, true);
  isFull = false;
  store.watches.resume(watcher);
  await until(() => values.length > 0);
  assert.deepEqual(values, [`compacted ${store.revision}`]);
  assert.equal(store.watches.watcherCount, 0);
});

test('store: leases: expire by the clock, renewed ones do not, in one revision each', async (t) => {
  const clock = new FakeClock();
  const store = temporaryStore(t, { clock });
  store.start();
  const [renewed, left] = [await store.leaseGrant(0n, 10), await store.leaseGrant(7n, 1)];
  assert.equal(left.ttlSeconds, 2);
  await store.put(putRequest('a', '1', renewed.id));
  await store.put(putRequest('b', '1', left.id));
  await store.put(putRequest('c', '1', left.id));
  const revision = store.revision;
  await clock.advance(2001);
  await until(() => store.revision === revision + 1);
  assert.equal((await store.range(rangeRequest('b'))).count, 0);
  assert.equal(store.lessor.renew(left.id), 0);
  await clock.advance(6000);
  assert.equal(store.lessor.renew(renewed.id), 10);
  await clock.advance(6000);
  assert.equal(store.lessor.remainingSeconds(renewed), 4);
  await clock.advance(4001);
  await until(() => store.revision === revision + 2);
  assert.equal((await store.range(rangeRequest('a'))).count, 0);
  await store.stop();
});

test('store: quota: full stays closed for puts until the alarm is disarmed; deletes go on', async (t) => {
  const store = temporaryStore(t, { quotaBackendBytes: 100_000 });
  const fill = async () => {
    for (let i = 0; i < 100; i++) await store.put(putRequest(`k${i}`, 'x'.repeat(10_000)));
  };
  await assert.rejects(fill(), /database space exceeded/);
  const request = { key: Buffer.from('k'), rangeEnd: Buffer.from('l'), prevKv: false };
  assert.ok((await store.deleteRange(request)).deleted > 0);
  await store.compact(store.revision, true);
  await assert.rejects(store.put(putRequest('a')), /database space exceeded/);
  await store.alarmDeactivate(store.database.memberId, AlarmType.NOSPACE);
  await store.put(putRequest('a'));
});

test('store: progress: to quiet watches that asked for it, at the durable revision', async (t) => {
  const store = temporaryStore(t);
  const told: string[] = [];
  const receiver: WatchReceiver = {
    isFull: () => false,
    events() {},
    progress: (watcher, revision) => told.push(`${watcher.id} at ${revision}`),
    compacted() {},
    failed() {},
    synced() {},
  };
  const on = (key: string, progressNotify: boolean): WatcherOptions => ({
    range: { key, end: undefined },
    startRevision: 0,
    prevKv: false,
    progressNotify,
    filters: [],
  });
  store.watches.add(1, on('quiet', true), receiver);
  store.watches.add(2, on('busy', true), receiver);
  store.watches.add(3, on('quiet', false), receiver);
  await store.put(putRequest('busy'));
  store.watches.notifyProgress();
  assert.deepEqual(told, ['1 at 2']);
  store.watches.notifyProgress();
  assert.deepEqual(told, ['1 at 2', '1 at 2', '2 at 2']);
});

/** A disk error, as the operating system's would come through. */
const diskError = () => Object.assign(new Error('disk I/O error'), { errcode: 10 });

test('store: a failed commit: no answer, the process is told to end, and nobody reads what is not on the disk', async (t) => {
  const real = temporaryDatabase(t);
  const database = Object.create(real, {
    commit: {
      value: () => {
        throw diskError();
      },
    },
  }) as Database;
  const fatal = Promise.withResolvers<Error>();
  const store = temporaryStore(t, { database, onFatal: fatal.resolve });
  let answer = 'none';
  store.put(putRequest('a')).then(
    () => (answer = 'done'),
    () => (answer = 'refused'),
  );
  assert.match((await fatal.promise).message, /disk I\/O error/);
  assert.equal(answer, 'none');
  await assert.rejects(Promise.resolve(store.range(rangeRequest('a'))), /server stopped/);
  await assert.rejects(store.put(putRequest('b')), /server stopped/);
});

test('store: a value that cannot be read: that request fails, that watch ends, the others go on', async (t) => {
  const real = temporaryDatabase(t);
  let isBroken = false;
  const database = Object.create(real, {
    read: {
      value: (main: number, sub: number) => {
        if (isBroken && main === 2) throw diskError();
        return real.read(main, sub);
      },
    },
  }) as Database;
  const store = temporaryStore(t, { database });
  await store.put(putRequest('a', 'bad'));
  await store.put(putRequest('b', 'good'));
  isBroken = true;
  await assert.rejects(async () => store.range(rangeRequest('a')), /disk I\/O error/);
  assert.equal((await store.range(rangeRequest('b'))).kvs[0]!.value.toString(), 'good');
  const heard: string[] = [];
  const receiver: WatchReceiver = {
    isFull: () => false,
    events: (watcher, events) => heard.push(`${watcher.id} got ${events.length}`),
    progress() {},
    compacted() {},
    failed: (watcher, error) => heard.push(`${watcher.id} failed: ${error.message}`),
    synced() {},
  };
  const from = (key: string): WatcherOptions => ({
    range: { key, end: undefined },
    startRevision: 1,
    prevKv: false,
    progressNotify: false,
    filters: [],
  });
  store.watches.add(1, from('a'), receiver);
  store.watches.add(2, from('b'), receiver);
  await until(() => heard.length === 2);
  assert.deepEqual(heard.sort(), ['1 failed: disk I/O error', '2 got 1']);
  assert.equal((await store.put(putRequest('c'))).header!.revision, 4);
});

test('store: an expired lease whose end was refused: ends as soon as it can', async (t) => {
  const clock = new FakeClock();
  const store = temporaryStore(t, { clock });
  store.start();
  const lease = await store.leaseGrant(0n, 5);
  await store.put(putRequest('a', '1', lease.id));
  await store.alarmActivate(1n, AlarmType.CORRUPT);
  await clock.advance(8000);
  assert.equal((await store.range(rangeRequest('a'))).count, 1);
  await store.alarmDeactivate(1n, AlarmType.CORRUPT);
  await clock.advance(1001);
  await until(() => store.lessor.get(lease.id) === undefined);
  assert.equal((await store.range(rangeRequest('a'))).count, 0);
  await store.stop();
});

test('store: alarms and leases: kept over a restart, a lease for its full time again', async (t) => {
  const dir = temporaryDirectory(t);
  const clock = new FakeClock();
  const open = () => temporaryStore(t, { clock, database: openDatabase(dir, randomId, clock) });
  const store = open();
  store.start();
  const lease = await store.leaseGrant(0n, 100);
  await store.put(putRequest('a', '1', lease.id));
  await store.alarmActivate(7n, AlarmType.NOSPACE);
  await clock.advance(60_000);
  assert.equal(store.lessor.remainingSeconds(lease), 40);
  await store.stop();
  store.database.close();
  const next = open();
  const found = next.lessor.get(lease.id)!;
  assert.equal(next.lessor.remainingSeconds(found), 100);
  assert.deepEqual(next.leaseKeys(found).map(String), ['a']);
  assert.deepEqual(next.alarms.list(AlarmType.NONE), [{ memberId: 7n, alarm: AlarmType.NOSPACE }]);
  await assert.rejects(next.put(putRequest('b')), /database space exceeded/);
  assert.ok(next.database.term > store.database.term);
  next.database.close();
});
