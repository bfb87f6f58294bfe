/** The behaviour every storage has, whatever store is behind it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { KubeObject } from '#apimachinery/object.ts';
import { isStatusError } from '#apimachinery/status-error.ts';
import type { ResourceStorage } from '../storage.ts';
import {
  codecFor,
  eventually,
  everything,
  keyOf,
  map,
  nameOf,
  PacedRecorder,
  Recorder,
  type RunningBackend,
} from './fixtures.ts';

/** `makeBackend` gives another backend on the same store each time it is called. */
export function storageSuite(name: string, makeBackend: () => Promise<RunningBackend>): void {
  let backend: RunningBackend;
  let other: RunningBackend;
  let count = 0;
  before(async () => {
    backend = await makeBackend();
    other = await makeBackend();
  });
  after(async () => {
    await backend?.stop();
    await other?.stop();
  });

  /** Each test has a resource of its own, at both servers. */
  const it = (title: string, body: (a: ResourceStorage, b: ResourceStorage, prefix: string) => Promise<void>) =>
    test(`${name}: ${title}`, async () => {
      const prefix = `/registry/tests/r${process.pid}x${count++}/`;
      const codec = codecFor(prefix);
      await body(backend.resource(codec), other.resource(codec), prefix);
    });
  const at = (prefix: string, key: string) => `${prefix}default/${key}`;

  it('create: once, with resourceVersion after uid', async (a, _b, prefix) => {
    const made = await a.create(at(prefix, 'x'), map('x', { k: 'v' }));
    assert.ok(made);
    assert.deepEqual(Object.keys(made.object().metadata), ['name', 'namespace', 'uid', 'resourceVersion']);
    assert.equal(made.object().metadata.resourceVersion, String(made.revision));
    assert.equal(await a.create(at(prefix, 'x'), map('x')), undefined);
    assert.deepEqual((await a.get(at(prefix, 'x')))?.object(), made.object());
  });

  it('read: after a write acknowledged by another server: sees it', async (a, b, prefix) => {
    for (let i = 0; i < 30; i++) {
      const made = await a.create(at(prefix, `n${i}`), map(`n${i}`));
      const [one, all] = await Promise.all([b.get(at(prefix, `n${i}`)), b.list({ prefix })]);
      assert.equal(one?.revision, made?.revision);
      assert.equal(all.entries.length, i + 1);
      assert.ok(all.revision >= made!.revision);
    }
  });

  it('update: guaranteed: counts every one of concurrent writers', async (a, b, prefix) => {
    await a.create(at(prefix, 'c'), map('c', { n: '0' }));
    const add = (s: ResourceStorage) =>
      s.guaranteedUpdate(at(prefix, 'c'), (object) => {
        object!.data.n = String(Number(object!.data.n) + 1);
        return object;
      });
    await Promise.all(Array.from({ length: 20 }, (_, i) => add(i % 2 ? a : b)));
    assert.equal((await b.get(at(prefix, 'c')))?.object().data.n, '20');
  });

  it('update: unchanged: writes nothing', async (a, _b, prefix) => {
    const made = await a.create(at(prefix, 'x'), map('x'));
    const same = await a.guaranteedUpdate(at(prefix, 'x'), (object) => object);
    assert.equal(same?.revision, made?.revision);
  });

  it('update: refused on a stale guess: asked again with the fresh state', async (a, b, prefix) => {
    await a.create(at(prefix, 'x'), map('x', { n: '1' }));
    await a.list({ prefix });
    const updated = await b.guaranteedUpdate(at(prefix, 'x'), (o) => ({ ...o!, data: { n: '2' } }));
    const result = await a.guaranteedUpdate(at(prefix, 'x'), (object, revision) => {
      if (revision !== updated!.revision) throw new Error('conflict');
      return { ...object!, data: { n: '3' } };
    });
    assert.equal(result?.object().data.n, '3');
  });

  it('update: of what does not exist: nothing unless made', async (a, _b, prefix) => {
    assert.equal(await a.guaranteedUpdate(at(prefix, 'no'), () => undefined), undefined);
    const made = await a.guaranteedUpdate(at(prefix, 'no'), (object) => object ?? map('no'));
    assert.equal(nameOf(made!), 'no');
  });

  it('delete: the last state under the revision of the deletion', async (a, b, prefix) => {
    const made = await a.create(at(prefix, 'x'), map('x', { k: 'v' }));
    const gone = await b.guaranteedUpdate(at(prefix, 'x'), () => undefined);
    assert.ok(gone!.revision > made!.revision);
    assert.equal(gone!.object().metadata.resourceVersion, String(gone!.revision));
    assert.deepEqual(gone!.object().data, { k: 'v' });
    assert.equal(await a.get(at(prefix, 'x')), undefined);
  });

  it('fence: a write bound to another key: refused once that key says no', async (a, b, prefix) => {
    const fence = {
      key: at(prefix, 'lease'),
      check(lease: KubeObject | undefined) {
        if (lease?.data?.holder !== 'me') throw new Error(`held by ${lease?.data?.holder}`);
      },
    };
    await a.create(fence.key, map('lease', { holder: 'me' }));
    assert.ok(await a.create(at(prefix, 'x'), map('x'), { fence }));
    await b.guaranteedUpdate(fence.key, (o) => ({ ...o!, data: { holder: 'you' } }));
    await assert.rejects(
      a.guaranteedUpdate(at(prefix, 'x'), (o) => ({ ...o!, data: { a: 'b' } }), { fence }),
      /held by you/,
    );
    await assert.rejects(a.create(at(prefix, 'y'), map('y'), { fence }), /held by you/);
    assert.equal(await a.get(at(prefix, 'y')), undefined);
  });

  it('list: pages: one snapshot whatever is written meanwhile', async (a, b, prefix) => {
    for (let i = 0; i < 10; i++) await a.create(at(prefix, `n${i}`), map(`n${i}`));
    const first = await a.list({ prefix, limit: 3 });
    assert.deepEqual([first.entries.map(nameOf), first.remainingItemCount], [['n0', 'n1', 'n2'], 7]);
    await a.create(at(prefix, 'n33'), map('n33'));
    await a.guaranteedUpdate(at(prefix, 'n5'), () => undefined);
    const second = await b.list({ prefix, limit: 3, continueToken: first.continueToken });
    const third = await a.list({ prefix, continueToken: second.continueToken });
    assert.deepEqual(second.entries.map(nameOf), ['n3', 'n4', 'n5']);
    assert.deepEqual(third.entries.map(nameOf), ['n6', 'n7', 'n8', 'n9']);
    assert.deepEqual([second.revision, third.revision], [first.revision, first.revision]);
    assert.equal(third.continueToken, undefined);
  });

  it('list: filter with a limit: full pages, no count of what remains', async (a, _b, prefix) => {
    for (let i = 0; i < 8; i++) await a.create(at(prefix, `n${i}`), map(`n${i}`, {}, i % 2 ? { odd: 'y' } : {}));
    const filter = (e: { labels?: Readonly<Record<string, string>> }) => e.labels?.odd === 'y';
    const first = await a.list({ prefix, limit: 3, filter });
    assert.deepEqual(first.entries.map(nameOf), ['n1', 'n3', 'n5']);
    assert.equal(first.remainingItemCount, undefined);
    const rest = await a.list({ prefix, limit: 3, filter, continueToken: first.continueToken });
    assert.deepEqual(rest.entries.map(nameOf), ['n7']);
  });

  it('list: of one namespace: not of the one whose name begins so', async (a, _b, prefix) => {
    await a.create(`${prefix}ns/x`, map('x'));
    await a.create(`${prefix}ns2/y`, map('y'));
    assert.deepEqual((await a.list({ prefix: `${prefix}ns/` })).entries.map(nameOf), ['x']);
  });

  it('list: at an exact revision: as it was', async (a, b, prefix) => {
    await a.create(at(prefix, 'x'), map('x', { v: '1' }));
    const then = await a.list({ prefix });
    await a.guaranteedUpdate(at(prefix, 'x'), (o) => ({ ...o!, data: { v: '2' } }));
    await a.create(at(prefix, 'y'), map('y'));
    for (const storage of [a, b]) {
      const past = await storage.list({ prefix, revision: then.revision, match: 'Exact' });
      assert.deepEqual(
        past.entries.map((e) => e.bytes.toString()),
        then.entries.map((e) => e.bytes.toString()),
      );
    }
  });

  it('list: a bad token: BadRequest', async (a, _b, prefix) => {
    for (const continueToken of [
      'garbage',
      'e30',
      Buffer.from('{"v":"meta.k8s.io/v1","rv":1,"start":"../../x\\u0000"}').toString('base64url'),
    ]) {
      await assert.rejects(a.list({ prefix, continueToken }), (e) => isStatusError(e, 'BadRequest'));
    }
  });

  it('watch: from a revision: every change after it, once, in order', async (a, b, prefix) => {
    const made = await a.create(at(prefix, 'x'), map('x'));
    await a.guaranteedUpdate(at(prefix, 'x'), (o) => ({ ...o!, data: { v: '2' } }));
    const recorder = new Recorder();
    const watch = await b.watch({ prefix, revision: made!.revision }, recorder);
    await a.create(at(prefix, 'y'), map('y'));
    const gone = await a.guaranteedUpdate(at(prefix, 'x'), () => undefined);
    await eventually(() => recorder.seen.length === 3, 'three events');
    assert.deepEqual(recorder.lines, ['MODIFIED x', 'ADDED y', 'DELETED x']);
    assert.equal(recorder.seen[2]!.entry!.object().metadata.resourceVersion, String(gone!.revision));
    watch.stop();
    watch.stop();
    assert.equal(recorder.ended, undefined);
  });

  it('watch: with the initial state: ends it with a bookmark, then goes on', async (a, _b, prefix) => {
    await a.create(at(prefix, 'x'), map('x'));
    await a.create(at(prefix, 'y'), map('y'));
    const recorder = new Recorder();
    const watch = await a.watch({ prefix, sendInitialEvents: true, allowBookmarks: true }, recorder);
    await a.create(at(prefix, 'z'), map('z'));
    await eventually(() => recorder.seen.length === 4, 'the state and one event');
    assert.deepEqual(recorder.lines, ['ADDED x', 'ADDED y', 'INITIAL-END', 'ADDED z']);
    watch.stop();
  });

  it('watch: with a selector: entering is ADDED, leaving is DELETED with the state it knew', async (a, _b, prefix) => {
    const labelled = (labels: Record<string, string>) => (o: any) => ({ ...o, metadata: { ...o.metadata, labels } });
    await a.create(at(prefix, 'x'), map('x', { v: '1' }));
    const recorder = new Recorder();
    const watch = await a.watch({ prefix, filter: (e) => e.labels?.app === 'me' }, recorder);
    await a.guaranteedUpdate(at(prefix, 'x'), labelled({ app: 'me' }));
    await a.guaranteedUpdate(at(prefix, 'x'), labelled({ app: 'me', more: 'y' }));
    const left = await a.guaranteedUpdate(at(prefix, 'x'), labelled({ app: 'you' }));
    await eventually(() => recorder.seen.length === 3, 'three events');
    assert.deepEqual(recorder.lines, ['ADDED x', 'MODIFIED x', 'DELETED x']);
    const last = recorder.seen[2]!;
    assert.equal(last.revision, left!.revision);
    assert.deepEqual(last.entry!.object().metadata.labels, { app: 'me', more: 'y' });
    watch.stop();
  });

  it('watch: of one key: only that one', async (a, _b, prefix) => {
    const recorder = new Recorder();
    const watch = await a.watch({ prefix: at(prefix, 'x') }, recorder);
    await a.create(at(prefix, 'xx'), map('xx'));
    await a.create(at(prefix, 'x'), map('x'));
    await eventually(() => recorder.seen.length === 1, 'one event');
    assert.deepEqual(recorder.lines, ['ADDED x']);
    watch.stop();
  });

  it('watch: too slow a receiver: is ended', async (a, _b, prefix) => {
    const recorder = new Recorder();
    recorder.room = 2;
    await a.watch({ prefix }, recorder);
    for (let i = 0; i < 4; i++) await a.create(at(prefix, `n${i}`), map(`n${i}`));
    await eventually(() => recorder.ended !== undefined, 'the end');
    assert.equal(recorder.seen.length, 2);
  });

  it('watch: a large initial state: is sent as fast as the receiver takes it, and misses nothing', async (a, _b, prefix) => {
    const names = Array.from({ length: 30 }, (_, i) => `n${String(i).padStart(2, '0')}`);
    await Promise.all(names.map((n) => a.create(at(prefix, n), map(n))));
    const recorder = new PacedRecorder();
    await a.watch({ prefix, sendInitialEvents: true, allowBookmarks: true }, recorder);
    await eventually(() => recorder.seen.length === 10, 'as much as it has room for');
    await a.create(at(prefix, 'late'), map('late'));
    await a.guaranteedUpdate(at(prefix, 'n29'), () => undefined);
    assert.equal(recorder.seen.length, 10);
    recorder.takeAll();
    await eventually(() => recorder.seen.length === 33, 'everything');
    const expected = [...names.map((n) => `ADDED ${n}`), 'INITIAL-END', 'ADDED late', 'DELETED n29'];
    assert.deepEqual(recorder.lines, expected);
    assert.equal(recorder.ended, undefined);
  });

  it('watch: from before the history: Expired', async (a, _b, prefix) => {
    await a.create(at(prefix, 'x'), map('x'));
    await assert.rejects(a.watch(everything({ prefix, revision: 1 }), new Recorder()), (e) => {
      assert.ok(isStatusError(e, 'Expired'));
      assert.match(e.message, /^too old resource version: 1 \(\d+\)$/);
      return true;
    });
  });

  it('revision: not yet reached: Timeout with the cause clients look for', async (a, _b, prefix) => {
    await assert.rejects(a.list({ prefix, revision: 999_999_999, signal: AbortSignal.timeout(50) }), (e) => {
      assert.ok(isStatusError(e, 'Timeout'));
      assert.match(e.message, /^Timeout: Too large resource version: 999999999, current: \d+$/);
      assert.equal(e.status.details?.causes?.[0]?.reason, 'ResourceVersionTooLarge');
      assert.equal(e.status.details?.retryAfterSeconds, 1);
      return true;
    });
  });

  test(`${name}: raw: compare and swap`, async () => {
    const key = `/registry/masterleases/${process.pid}-${count++}`;
    assert.equal(await backend.raw.put(key, Buffer.from('a'), { ifRevision: 0, ttlSeconds: 30 }), true);
    assert.equal(await backend.raw.put(key, Buffer.from('b'), { ifRevision: 0 }), false);
    const found = await other.raw.get(key);
    assert.equal(found?.value.toString(), 'a');
    assert.equal(await other.raw.put(key, Buffer.from('c'), { ifRevision: found!.revision }), true);
    assert.deepEqual(
      (await backend.raw.list(key)).map((i) => i.value.toString()),
      ['c'],
    );
    await backend.raw.delete(key);
    assert.equal(await backend.raw.get(key), undefined);
  });

  test(`${name}: backend: ready: synced, answers, and gives the same storage for a resource`, async () => {
    await eventually(() => backend.synced(), 'synced');
    await backend.ping(AbortSignal.timeout(5_000));
    assert.ok((await backend.currentRevision()) > 0);
    assert.equal(backend.resource(codecFor('/registry/same/')), backend.resource(codecFor('/registry/same/')));
    assert.ok(keyOf('x').startsWith('/registry/'));
  });
}
