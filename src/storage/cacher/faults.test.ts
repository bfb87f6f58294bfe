import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { isStatusError } from '#apimachinery/status-error.ts';
import { FakeClock } from '#base/testing/fake-clock.ts';
import type { ResourceStorage } from '../storage.ts';
import { FakeEtcd, type TxnFault } from '../testing/fake-etcd.ts';
import {
  codecFor,
  eventually,
  everything,
  keyOf,
  map,
  maps,
  nameOf,
  Recorder,
  type RunningBackend,
  startBackend,
} from '../testing/fixtures.ts';

let etcd: FakeEtcd;
let backend: RunningBackend;
let configMaps: ResourceStorage;
beforeEach(async () => {
  etcd = new FakeEtcd();
  backend = startBackend(etcd);
  configMaps = backend.resource(maps);
  await eventually(() => backend.synced(), 'synced');
});
afterEach(() => backend.stop());

/** Listed, watched, and known to tell its progress. */
async function connected(clock: FakeClock): Promise<void> {
  for (let i = 0; i < 4; i++) await clock.advance(25);
}

/** The next transactions fail so, one after the other. */
function failNext(...faults: TxnFault[]): void {
  etcd.faults = () => faults.shift();
}

for (const fault of ['lostBefore', 'lostAfter'] as const) {
  test(`writer: answer ${fault}: each write is applied once and told as applied`, async () => {
    failNext(fault);
    const made = await configMaps.create(keyOf('x'), map('x', { n: '0' }));
    assert.equal(made?.revision, etcd.revision);
    failNext(fault, fault);
    const updated = await configMaps.guaranteedUpdate(keyOf('x'), (o) => {
      o!.data.n = String(Number(o!.data.n) + 1);
      return o;
    });
    assert.deepEqual([updated?.object().data.n, updated?.revision], ['1', etcd.revision]);
    failNext(fault);
    const gone = await configMaps.guaranteedUpdate(keyOf('x'), () => undefined);
    assert.equal(gone?.revision, etcd.revision);
    assert.equal(etcd.revision, made!.revision + 2);
  });
}

test('writer: create with a lost answer, deleted since: is not created again', async () => {
  let calls = 0;
  etcd.faults = () => {
    if (calls++ > 0) return undefined;
    setImmediate(() => etcd.delete(keyOf('x')));
    return 'lostAfter';
  };
  const made = await configMaps.create(keyOf('x'), map('x'));
  assert.equal(made?.revision, etcd.revision - 1);
  assert.equal(await configMaps.get(keyOf('x')), undefined);
});

test('writer: update with a lost answer, overwritten since: told as applied, and not repeated', async () => {
  await configMaps.create(keyOf('x'), map('x', { n: '0' }));
  let calls = 0;
  etcd.faults = () => {
    if (calls++ > 0) return undefined;
    setImmediate(() => etcd.put(keyOf('x'), JSON.stringify(map('x', { n: 'another' }))));
    return 'lostAfter';
  };
  let changes = 0;
  const updated = await configMaps.guaranteedUpdate(keyOf('x'), (o) => {
    changes++;
    return { ...o!, data: { n: 'mine' } };
  });
  assert.deepEqual([changes, updated?.object().data.n, updated?.revision], [1, 'mine', etcd.revision - 1]);
});

test('writer: create with a lost answer against one that exists: is told so', async () => {
  etcd.put(keyOf('x'), JSON.stringify(map('x')));
  failNext('lostAfter');
  assert.equal(await configMaps.create(keyOf('x'), map('x')), undefined);
});

test('writer: a TTL: many keys share a lease', async () => {
  for (let i = 0; i < 5; i++) await configMaps.create(keyOf(`e${i}`), map(`e${i}`), { ttlSeconds: 3600 });
  assert.equal(etcd.leases.size, 1);
  assert.equal(etcd.leaseOf(keyOf('e4')), '1');
});

test('store away: reads from the cache go on, the others fail within their deadline', async () => {
  await configMaps.create(keyOf('x'), map('x'));
  await configMaps.list({ prefix: maps.prefix });
  etcd.goDown();
  assert.equal((await configMaps.list({ prefix: maps.prefix, revision: 0 })).entries.length, 1);
  assert.ok(await configMaps.get(keyOf('x'), { revision: 0 }));
  const isUnavailable = (e: unknown) => isStatusError(e, 'ServiceUnavailable');
  await assert.rejects(configMaps.get(keyOf('x')), isUnavailable);
  await assert.rejects(configMaps.list({ prefix: maps.prefix }), isUnavailable);
  await assert.rejects(configMaps.create(keyOf('y'), map('y')), isUnavailable);
  await assert.rejects(backend.ping(AbortSignal.timeout(100)), isUnavailable);
});

test('store silent: a read ends with its own deadline', async () => {
  let release = () => {};
  etcd.delayRange = () =>
    new Promise((resolve) => {
      release = resolve;
    });
  const signal = AbortSignal.timeout(30);
  await assert.rejects(configMaps.get(keyOf('x'), { signal }), (e) => isStatusError(e, 'Timeout'));
  release();
});

test('store silent: consistent reads end within one deadline, also those that wait for the next answer', async () => {
  const clock = new FakeClock();
  const other = startBackend(etcd, { clock });
  const storage = other.resource(maps);
  await clock.advance(100);
  assert.ok(other.synced());
  etcd.delayRange = () => new Promise(() => {});
  const ended: [string, number][] = [];
  const start = clock.monotonic();
  const read = (name: string, reading: Promise<unknown>) =>
    reading.then(
      () => assert.fail('there was no answer'),
      (e) => {
        assert.ok(isStatusError(e, 'Timeout'));
        assert.equal(e.status.details?.retryAfterSeconds, 1);
        ended.push([name, clock.monotonic() - start]);
      },
    );
  const reads = [read('first', storage.get(keyOf('x')))];
  await clock.advance(1_000);
  reads.push(read('second', storage.list({ prefix: maps.prefix })), read('third', other.currentRevision()));
  await clock.advance(5_000);
  reads.push(read('fourth', storage.get(keyOf('x'))));
  await clock.advance(20_000);
  await Promise.all(reads);
  assert.deepEqual(Object.fromEntries(ended), { first: 10_000, second: 11_000, third: 11_000, fourth: 11_000 });
  etcd.delayRange = () => Promise.resolve();
  await other.stop();
});

test('store silent after it told its revision: a read that goes there keeps to the same deadline', async () => {
  const clock = new FakeClock();
  const other = startBackend(etcd, { clock });
  const storage = other.resource(maps);
  await clock.advance(100);
  etcd.isWatchHeld = true;
  etcd.put(keyOf('x'), JSON.stringify(map('x')));
  let asked = 0;
  const silent = Promise.withResolvers<void>();
  etcd.delayRange = () => (asked++ === 0 ? Promise.resolve() : silent.promise);
  const start = clock.monotonic();
  let end = 0;
  const reading = storage.list({ prefix: maps.prefix }).catch((e) => {
    assert.ok(isStatusError(e, 'Timeout'));
    end = clock.monotonic() - start;
  });
  await clock.advance(30_000);
  await reading;
  assert.deepEqual([end, asked], [10_000, 2]);
  etcd.delayRange = () => Promise.resolve();
  silent.resolve();
  await other.stop();
});

test('watch: the connection breaks: it goes on where it was', async () => {
  const recorder = new Recorder();
  await configMaps.watch(everything(), recorder);
  await configMaps.create(keyOf('a'), map('a'));
  etcd.goDown();
  const at = etcd.revision;
  etcd.put(keyOf('b'), JSON.stringify(map('b')));
  etcd.delete(keyOf('a'));
  etcd.comeUp();
  await eventually(() => recorder.seen.length === 3, 'the rest');
  assert.deepEqual(recorder.lines, ['ADDED a', 'ADDED b', 'DELETED a']);
  assert.deepEqual(
    recorder.seen.map((s) => s.revision),
    [at, at + 1, at + 2],
  );
});

test('watch: compacted while away: the difference is told, also of a key made anew', async () => {
  for (const name of ['keep', 'change', 'gone', 'anew']) await configMaps.create(keyOf(name), map(name));
  const recorder = new Recorder();
  await configMaps.watch(everything({ revision: etcd.revision }), recorder);
  const resumable = etcd.revision;
  etcd.goDown();
  etcd.put(keyOf('change'), JSON.stringify(map('change', { v: '2' })));
  etcd.delete(keyOf('gone'));
  etcd.delete(keyOf('anew'));
  etcd.put(keyOf('anew'), JSON.stringify(map('anew')));
  etcd.put(keyOf('new'), JSON.stringify(map('new')));
  etcd.compact(etcd.revision);
  etcd.comeUp();
  await eventually(() => recorder.seen.length === 5, 'the difference');
  assert.deepEqual(recorder.lines.toSorted(), [
    'ADDED anew',
    'ADDED new',
    'DELETED anew',
    'DELETED gone',
    'MODIFIED change',
  ]);
  const revisions = recorder.seen.map((s) => s.revision);
  assert.deepEqual(
    revisions,
    revisions.toSorted((a, b) => a - b),
  );
  assert.ok(recorder.lines.indexOf('DELETED anew') < recorder.lines.indexOf('ADDED anew'));
  await assert.rejects(configMaps.watch(everything({ revision: resumable }), new Recorder()), (e) =>
    isStatusError(e, 'Expired'),
  );
  await configMaps.create(keyOf('after'), map('after'));
  await eventually(() => recorder.lines.at(-1) === 'ADDED after', 'what comes after');
});

test('store replaced by another: watches end, and the cache is of the new one', async () => {
  for (const name of ['a', 'b']) await configMaps.create(keyOf(name), map(name));
  const recorder = new Recorder();
  await configMaps.watch(everything(), recorder);
  await eventually(() => recorder.seen.length === 2, 'the state');
  etcd.replace('2');
  etcd.put(keyOf('other'), JSON.stringify(map('other')));
  await eventually(() => recorder.ended !== undefined, 'the end');
  assert.ok(isStatusError(recorder.ended?.error, 'Expired'));
  await eventually(() => backend.synced(), 'synced again');
  const list = await configMaps.list({ prefix: maps.prefix, revision: 0 });
  assert.deepEqual([list.entries.map(nameOf), list.revision], [['other'], etcd.revision]);
});

test('store gone back in time: noticed by a read though the connection stands', async () => {
  for (const name of ['a', 'b', 'c']) await configMaps.create(keyOf(name), map(name));
  await configMaps.list({ prefix: maps.prefix });
  etcd.rewind(2);
  await assert.rejects(configMaps.list({ prefix: maps.prefix }), (e) => isStatusError(e, 'ServiceUnavailable'));
  await eventually(() => backend.synced() && configMaps.count() === 1, 'synced again');
  assert.equal((await configMaps.list({ prefix: maps.prefix, revision: 0 })).revision, 2);
});

test('consistent read: writes elsewhere in the store: progress is asked for', async () => {
  const at = etcd.put('/elsewhere/x', 'y');
  const before = etcd.ranges;
  assert.equal((await configMaps.list({ prefix: maps.prefix })).revision, at);
  assert.equal(etcd.ranges, before + 1, 'only the revision was read');
});

test('consistent read: a store too old to be asked for progress: is read directly', async () => {
  etcd.serverVersion = '3.4.23';
  etcd.put(keyOf('x'), JSON.stringify(map('x')));
  const old = startBackend(etcd);
  const storage = old.resource(maps);
  await eventually(() => old.synced(), 'synced');
  etcd.isWatchHeld = true;
  etcd.put(keyOf('y'), JSON.stringify(map('y')));
  assert.deepEqual((await storage.list({ prefix: maps.prefix })).entries.map(nameOf), ['x', 'y']);
  await old.stop();
});

test('consistent read: progress is never told, as behind a proxy: is read directly, and the watch left alone', async () => {
  etcd.isProgressIgnored = true;
  const clock = new FakeClock();
  const other = startBackend(etcd, { clock });
  const storage = other.resource(maps);
  await clock.advance(100);
  const watches = etcd.watches;
  for (let i = 0; i < 50; i++) {
    etcd.put('/elsewhere/x', 'y');
    let revision = 0;
    const reading = storage.list({ prefix: maps.prefix }).then((list) => {
      revision = list.revision;
    });
    await clock.advance(250);
    assert.equal(revision, etcd.revision);
    await reading;
  }
  const watching = storage.watch(everything({ revision: etcd.revision }), new Recorder());
  await clock.advance(250);
  await watching;
  assert.equal(etcd.watches, watches);
  await other.stop();
});

test('consistent read: the watch lags: waits for it, and sees the write', async () => {
  etcd.isWatchHeld = true;
  etcd.put(keyOf('x'), JSON.stringify(map('x')));
  const reading = configMaps.get(keyOf('x'));
  assert.equal(await configMaps.get(keyOf('x'), { revision: 0 }), undefined);
  setTimeout(() => etcd.releaseWatch(), 30);
  assert.ok(await reading);
});

test('read not older than: waits three seconds, and no longer', async () => {
  const clock = new FakeClock();
  const other = startBackend(etcd, { clock });
  const storage = other.resource(maps);
  await connected(clock);
  let outcome = 'waits';
  const reading = storage.get(keyOf('x'), { revision: 50 }).catch(() => {
    outcome = 'refused';
  });
  await clock.advance(2_900);
  assert.equal(outcome, 'waits');
  await clock.advance(200);
  assert.equal(outcome, 'refused');
  await reading;
  const patient = storage.get(keyOf('x'), { revision: etcd.revision + 1 });
  etcd.put(keyOf('x'), JSON.stringify(map('x')));
  await clock.advance(10);
  assert.ok(await patient);
  await other.stop();
});

test('consistent read: begun while another asks the store: does not take its answer', async () => {
  await backend.currentRevision();
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  etcd.delayRange = () => gate;
  const asked = etcd.ranges;
  const early = backend.currentRevision();
  await eventually(() => etcd.ranges === asked + 1, 'the first is under way');
  await new Promise((resolve) => setImmediate(resolve));
  const written = etcd.put(keyOf('x'), JSON.stringify(map('x')));
  const late = [backend.currentRevision(), backend.currentRevision(), backend.currentRevision()];
  release();
  assert.equal(await early, written - 1);
  assert.deepEqual(await Promise.all(late), [written, written, written]);
  assert.equal(etcd.ranges, asked + 2, 'those that came later share one');
});

test('consistent read: the watch overtakes the answer about the revision: is served all the same', async () => {
  let release = () => {};
  etcd.delayRange = () =>
    new Promise((resolve) => {
      release = resolve;
    });
  const asked = etcd.ranges;
  const reading = configMaps.get(keyOf('x'));
  await eventually(() => etcd.ranges === asked + 1, 'asked');
  await new Promise((resolve) => setTimeout(resolve, 5));
  etcd.put(keyOf('x'), JSON.stringify(map('x')));
  await eventually(() => configMaps.count() === 1, 'the event');
  const watches = etcd.watches;
  release();
  assert.ok(await reading);
  assert.equal(etcd.watches, watches);
});

test('watch: a selector that throws: ends that watch alone', async () => {
  const good = new Recorder();
  const bad = new Recorder();
  await configMaps.watch(everything(), good);
  const filter = () => {
    throw new Error('a bug');
  };
  await configMaps.watch(everything({ filter }), bad);
  await new Promise((resolve) => setTimeout(resolve, 5));
  await configMaps.create(keyOf('x'), map('x'));
  await configMaps.create(keyOf('y'), map('y'));
  await eventually(() => good.seen.length === 2, 'both');
  assert.ok(isStatusError(bad.ended?.error, 'InternalError'));
  const badFromTheStart = new Recorder();
  await configMaps.watch(everything({ filter }), badFromTheStart);
  await eventually(() => badFromTheStart.ended !== undefined, 'the end');
});

test('watch: from a revision the store never had: is told so', async () => {
  const clock = new FakeClock();
  const other = startBackend(etcd, { clock });
  const storage = other.resource(maps);
  await connected(clock);
  const refused = assert.rejects(storage.watch(everything({ revision: 1_000 }), new Recorder()), (e) =>
    isStatusError(e, 'Timeout'),
  );
  await clock.advance(3_100);
  await refused;
  await other.stop();
});

test('backend: stops: ends its watches', async () => {
  const recorder = new Recorder();
  await configMaps.watch(everything({ allowBookmarks: true }), recorder);
  await eventually(() => recorder.seen.length === 1, 'live');
  await backend.stop();
  assert.deepEqual(recorder.ended, { error: undefined });
});

test('resource: registered while events flow: joins without a gap', async () => {
  const secrets = codecFor('/registry/secrets/');
  let written = 0;
  const writing = (async () => {
    for (; written < 200; written++) {
      etcd.put(`${secrets.prefix}default/s${written}`, JSON.stringify(map(`s${written}`)));
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  await eventually(() => written > 50, 'some');
  const storage = backend.resource(secrets);
  const recorder = new Recorder();
  await storage.watch({ prefix: secrets.prefix }, recorder);
  await writing;
  await eventually(() => recorder.seen.length >= 200, 'all');
  assert.equal(new Set(recorder.lines).size, 200);
  assert.equal(recorder.seen.length, 200);
});

test('value that cannot be decoded: fails what would have to show it, by the key, and nothing else', async () => {
  const bad = keyOf('bad');
  await configMaps.create(bad, map('bad', { v: '1' }));
  const before = (await configMaps.list({ prefix: maps.prefix })).revision;
  const recorder = new Recorder();
  await configMaps.watch(everything({ revision: before }), recorder);
  etcd.put(bad, 'k8s\0protobuf');
  const good = etcd.put(keyOf('good', 'elsewhere'), JSON.stringify(map('good')));
  await eventually(() => recorder.seen.length === 1, 'the watch goes on');

  const isTold = (e: unknown) => isStatusError(e, 'InternalError') && e.message.includes(`the value of ${bad} in`);
  for (const read of [{}, { revision: 0 }, { revision: good, match: 'Exact' as const }, { limit: 1 }]) {
    await assert.rejects(configMaps.list({ prefix: maps.prefix, ...read }), isTold, JSON.stringify(read));
    const elsewhere = await configMaps.list({ prefix: `${maps.prefix}elsewhere/`, ...read });
    assert.deepEqual(elsewhere.entries.map(nameOf), ['good']);
  }
  await assert.rejects(configMaps.get(bad), isTold);
  await assert.rejects(configMaps.get(bad, { revision: 0 }), isTold);
  await assert.rejects(configMaps.watch(everything(), new Recorder()), isTold, 'its state cannot be sent');
  await assert.rejects(
    configMaps.guaranteedUpdate(bad, () => undefined),
    isTold,
  );
  assert.equal(await configMaps.create(bad, map('bad')), undefined);
  const past = await configMaps.list({ prefix: maps.prefix, revision: before, match: 'Exact' });
  assert.deepEqual(past.entries.map(nameOf), ['bad'], 'the time before');
  const restarted = startBackend(etcd);
  const other = restarted.resource(maps);
  await eventually(() => restarted.synced(), 'synced');
  await assert.rejects(other.list({ prefix: maps.prefix }), isTold);
  assert.ok(await other.get(keyOf('good', 'elsewhere')));
  await restarted.stop();

  const mended = etcd.put(bad, JSON.stringify(map('bad', { v: '3' })));
  await eventually(() => recorder.seen.length === 2, 'what it is now');
  assert.deepEqual(recorder.lines, ['ADDED good', 'MODIFIED bad']);
  assert.equal((await configMaps.list({ prefix: maps.prefix })).entries.length, 2);
  assert.equal((await configMaps.get(bad))?.revision, mended);
  await assert.rejects(configMaps.list({ prefix: maps.prefix, revision: good, match: 'Exact' }), isTold);
});

test('value that cannot be decoded: written while the server was cut off, then removed', async () => {
  const bad = keyOf('bad');
  await configMaps.create(bad, map('bad'));
  const recorder = new Recorder();
  await configMaps.watch(everything({ revision: etcd.revision }), recorder);
  etcd.goDown();
  etcd.delete(bad);
  etcd.put(bad, '{"no":"metadata"}');
  await etcd.compact(etcd.revision);
  etcd.comeUp();
  await eventually(() => backend.synced() && configMaps.count() === 1, 'listed again');
  await assert.rejects(configMaps.list({ prefix: maps.prefix }), (e) => {
    return isStatusError(e, 'InternalError') && /it has no metadata$/.test(e.message);
  });
  assert.deepEqual(recorder.lines, []);
  etcd.delete(bad);
  await eventually(() => recorder.seen.length === 1, 'its end');
  assert.deepEqual(recorder.lines, ['DELETED bad']);
  assert.deepEqual((await configMaps.list({ prefix: maps.prefix })).entries, []);
});

test('page: its snapshot is compacted: Expired, with a token that goes on', async () => {
  for (const name of ['a', 'b', 'c']) await configMaps.create(keyOf(name), map(name));
  const first = await configMaps.list({ prefix: maps.prefix, limit: 1 });
  await configMaps.create(keyOf('b2'), map('b2'));
  etcd.compact(etcd.revision);
  const other = startBackend(etcd);
  const storage = other.resource(maps);
  await eventually(() => other.synced(), 'synced');
  let token = '';
  await assert.rejects(storage.list({ prefix: maps.prefix, continueToken: first.continueToken }), (e) => {
    assert.ok(isStatusError(e, 'Expired'));
    assert.match(e.message, /^The provided continue parameter is too old to display a consistent list result\./);
    token = (e.status.metadata as { continue: string }).continue;
    return true;
  });
  const rest = await storage.list({ prefix: maps.prefix, continueToken: token });
  assert.deepEqual(rest.entries.map(nameOf), ['b', 'b2', 'c']);
  await other.stop();
});

test('page: those after the first are of the state it began with, though neither events nor store have it', async () => {
  const clock = new FakeClock();
  const other = startBackend(etcd, { clock, defaultWatchCacheSize: 16 });
  const storage = other.resource(maps);
  for (const name of ['a', 'b', 'c', 'd']) etcd.put(keyOf(name), JSON.stringify(map(name)));
  await clock.advance(100);
  // Somebody goes from page to page, and so the state is kept.
  const list = async (continueToken?: string) => {
    const listing = storage.list({ prefix: maps.prefix, limit: 1, ...(continueToken ? { continueToken } : {}) });
    await clock.advance(100);
    return listing;
  };
  const first = await list();
  for (let i = 0; i < 40; i++) {
    // Old enough to be let go, each of them.
    await clock.advance(40_000);
    etcd.put(keyOf(`b${i}`), JSON.stringify(map(`b${i}`)));
    await list(first.continueToken);
  }
  await clock.advance(1_000);
  await assert.rejects(storage.watch(everything({ revision: first.revision }), new Recorder()), (e) =>
    isStatusError(e, 'Expired'),
  );
  await etcd.compact(etcd.revision);
  const second = await list(first.continueToken);
  assert.deepEqual([second.entries.map(nameOf), second.remainingItemCount], [['b'], 2]);
  const third = await list(second.continueToken);
  assert.deepEqual([third.entries.map(nameOf), third.revision], [['c'], first.revision]);
  await other.stop();
});

test('page: of a store too old to be asked for progress, with writes elsewhere: the next page is had at once', async () => {
  etcd.serverVersion = '3.4.23';
  for (const name of ['a', 'b', 'c']) etcd.put(keyOf(name), JSON.stringify(map(name)));
  const old = startBackend(etcd);
  const storage = old.resource(maps);
  await eventually(() => old.synced(), 'synced');
  const elsewhere = etcd.put('/elsewhere/x', 'y');
  const first = await storage.list({ prefix: maps.prefix, limit: 1 });
  assert.equal(first.revision, elsewhere);
  const second = await storage.list({ prefix: maps.prefix, limit: 1, continueToken: first.continueToken });
  assert.deepEqual([second.entries.map(nameOf), second.revision], [['b'], elsewhere]);
  const notOlder = await storage.list({ prefix: maps.prefix, revision: elsewhere, match: 'NotOlderThan' });
  assert.deepEqual([notOlder.entries.length, notOlder.revision], [3, elsewhere]);
  assert.ok(await storage.get(keyOf('a'), { revision: elsewhere }));
  for (const match of ['Exact', 'NotOlderThan'] as const) {
    await assert.rejects(storage.list({ prefix: maps.prefix, revision: elsewhere + 1, match }), (e) => {
      assert.ok(isStatusError(e, 'Timeout'));
      return /Too large resource version/.test(e.message);
    });
  }
  await old.stop();
});

test('page: of a resource larger than a page of the store: is all there', async () => {
  const prefix = '/registry/many/';
  for (let i = 0; i < 2_500; i++) etcd.put(`${prefix}default/n${i}`, JSON.stringify(map(`n${i}`)));
  // The list is of the revision that is applied: let it be the newest.
  await backend.resource(maps).list({ prefix: maps.prefix });
  const storage = backend.resource(codecFor(prefix));
  await eventually(() => backend.synced(), 'synced');
  assert.equal((await storage.list({ prefix, revision: 0 })).entries.length, 2_500);
});

test('watch of the store: open but dead: is made anew', async () => {
  const clock = new FakeClock();
  const other = startBackend(etcd, { clock });
  const storage = other.resource(maps);
  await connected(clock);
  assert.ok(other.synced());
  etcd.isWatchHeld = true;
  const watches = etcd.watches;
  const at = etcd.put(keyOf('x'), JSON.stringify(map('x')));
  const reading = storage.get(keyOf('x'), { revision: at });
  const refused = assert.rejects(reading, (e) => isStatusError(e, 'Timeout'));
  await clock.advance(3_100);
  await refused;
  const again = storage.get(keyOf('x'), { revision: at });
  await clock.advance(3_100);
  assert.ok(await again, 'from the store, while the new stream has told nothing');
  assert.ok(etcd.watches > watches, 'another stream');
  await other.stop();
});
