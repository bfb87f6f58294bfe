/**
 * Writes whose answers are lost, while others write: every point at which it can happen. Judged by the store's own book:
 * what is told as applied was applied, once, at the revision told; what is refused was not.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { KubeObject } from '#apimachinery/object.ts';
import { StatusError } from '#apimachinery/status-error.ts';
import type { ResourceStorage, StoredObject } from '../storage.ts';
import { FakeEtcd } from '../testing/fake-etcd.ts';
import { eventually, keyOf, map, maps, type RunningBackend, startBackend } from '../testing/fixtures.ts';
import { type Loss, lossyKv, Wish, wishing } from '../testing/lossy-kv.ts';

let etcd: FakeEtcd;
let backend: RunningBackend;
let configMaps: ResourceStorage;
let count = 0;
before(async () => {
  etcd = new FakeEtcd();
  backend = startBackend(lossyKv(etcd));
  configMaps = backend.resource(maps);
  await eventually(() => backend.synced(), 'synced');
});
after(() => backend.stop());

const conflict = new StatusError({ code: 409, reason: 'Conflict', message: 'not the state it was meant for' });

type Verb = 'create' | 'update' | 'delete';
/** What the caller is told: an entry, that there is nothing to tell of (exists, is gone), or an error. */
type Told = StoredObject | undefined | Error;

interface Attempt {
  verb: Verb;
  wish: Wish;
  base: number;
  /** As it stands in the store if it was applied. */
  value: string | undefined;
}

/** `base`: the state it is meant for, as with a precondition on the resourceVersion. */
function attempt(verb: Verb, wish: Wish, base: number, object: KubeObject): Attempt & { told: Promise<Told> } {
  const told = wishing(wish, () => {
    if (verb === 'create') return configMaps.create(wish.key, object);
    return configMaps.guaranteedUpdate(wish.key, (current, revision) => {
      if (current !== undefined && revision !== base) throw conflict;
      return current && verb === 'update' ? structuredClone(object) : undefined;
    });
  }).catch((error: Error) => error);
  return { verb, wish, base, value: verb === 'delete' ? undefined : String(maps.encode(object)), told };
}

function judge(told: Told, { verb, wish, base, value }: Attempt, what: string): void {
  const history = etcd.history.filter((e) => e.kv.key === wish.key);
  assert.ok(wish.applied.length <= 1, `${what}: applied ${wish.applied.length} times`);
  if (told === undefined || told instanceof Error) {
    assert.deepEqual(wish.applied, [], `${what}: refused (${told}), but applied`);
    if (told) assert.ok(told instanceof StatusError && ![500, 504].includes(told.code), `${what}: ${told}`);
    return;
  }
  const at = history.findIndex((e) => e.kv.modRevision === told.revision);
  const event = history[at];
  assert.ok(event, `${what}: told of a revision at which nothing happened`);
  assert.equal(event.type, verb === 'delete' ? 'delete' : 'put', what);
  assert.equal((history[at - 1]?.type === 'put' && history[at - 1]!.kv.modRevision) || 0, base, `${what}: its base`);
  if (wish.applied.length > 0) assert.deepEqual(wish.applied, [told.revision], `${what}: told another revision`);
  // Another server's very same change of the very same state cannot be told from ours; nor need it be.
  else assert.equal(verb === 'delete' ? undefined : String(event.kv.value), value, `${what}: told as applied`);
}

const lossesOf: Loss[][] = [
  ['none'],
  ['before'],
  ['after'],
  ['before', 'before', 'after'],
  ['before', 'after'],
  ['after', 'after'],
  ['before', 'unconnected', 'after'],
  ['after', 'unconnected'],
  ['after', 'full'],
  ['before', 'full'],
  ['unconnected'],
  ['full'],
];
type Foreign = (key: string, same: string) => void;
const other = (key: string) => etcd.put(key, JSON.stringify(map('other', { by: 'another' })));
const foreigners: Record<string, Foreign> = {
  nobody: () => {},
  overwrites: (key) => other(key),
  'overwrites twice': (key) => [other(key), other(key)],
  deletes: (key) => etcd.delete(key),
  'deletes and makes anew': (key) => [etcd.delete(key), other(key)],
  'makes anew and deletes': (key) => [etcd.delete(key), other(key), etcd.delete(key)],
  'writes the very same': (key, same) => etcd.put(key, same),
  'writes the very same after another state': (key, same) => [other(key), etcd.put(key, same)],
};
const pointsMax = 8;

for (const verb of ['create', 'update', 'delete'] as const) {
  test(`writer: ${verb}: answers lost and others writing, at every point`, async () => {
    const cases = lossesOf.flatMap((losses) =>
      Object.keys(foreigners).flatMap((who) => Array.from({ length: pointsMax }, (_, at) => ({ losses, who, at }))),
    );
    const told = await Promise.all(
      cases.map(async ({ losses, who, at }) => {
        const name = `c${count++}`;
        const key = keyOf(name);
        const object = map(name, { by: 'me' });
        const base = verb === 'create' ? 0 : etcd.put(key, JSON.stringify(map(name)));
        const same = String(maps.encode(object));
        const wish = new Wish(key, losses, (point) => {
          if (point === at) foreigners[who]!(key, same);
        });
        const attempted = attempt(verb, wish, base, object);
        judge(await attempted.told, attempted, `${losses}; ${who} at ${at}`);
        return wish.applied.length;
      }),
    );
    assert.ok(told.some((n) => n === 0) && told.some((n) => n === 1));
  });

  test(`writer: ${verb}: two of this server want the very same: one is told that it was applied`, async () => {
    const turns = (n: number) => async () => {
      for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve));
    };
    const cases = lossesOf.flatMap((a) => lossesOf.flatMap((b) => [0, 1, 3, 8].map((slow) => ({ a, b, slow }))));
    await Promise.all(
      cases.map(async ({ a, b, slow }) => {
        const name = `t${count++}`;
        const key = keyOf(name);
        const base = verb === 'create' ? 0 : etcd.put(key, JSON.stringify(map(name)));
        const object = map(name, { by: 'both' });
        const one = attempt(verb, new Wish(key, a), base, object);
        const two = attempt(verb, new Wish(key, b, turns(slow)), base, object);
        const told = [await one.told, await two.told] as const;
        const what = `${a} and ${b}, ${slow} turns later`;
        // With both answers lost nobody can tell which of the two was applied; that it was one of them, all the same.
        if (![one, two].every(({ wish }) => wish.losses.some((l) => l === 'before' || l === 'after'))) {
          judge(told[0], one, what);
          judge(told[1], two, what);
        }
        const revisions = told.flatMap((t) => (t === undefined || t instanceof Error ? [] : [t.revision]));
        assert.deepEqual(revisions, [...one.wish.applied, ...two.wish.applied], what);
      }),
    );
  });
}

test('writer: a create whose answer was lost, and the history with it: told that nothing is known, and not repeated', async () => {
  const key = keyOf('blip');
  const wish = new Wish(key, ['after'], (point) => {
    if (point !== 1) return;
    etcd.goDown();
    etcd.isWatchHeld = false;
    etcd.delete(key);
    etcd.compact(etcd.revision);
    etcd.comeUp();
  });
  etcd.isWatchHeld = true;
  const { told } = attempt('create', wish, 0, map('blip'));
  const answer = await told;
  assert.ok(answer instanceof StatusError && answer.code === 504, String(answer));
  assert.equal(wish.tries, 1);
  assert.equal(await configMaps.get(key), undefined);
});
