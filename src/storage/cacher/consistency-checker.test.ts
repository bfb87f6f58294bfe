import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { isStatusError } from '#apimachinery/status-error.ts';
import type { KvEvent } from '../etcd3/kv.ts';
import { FakeEtcd } from '../testing/fake-etcd.ts';
import {
  codecFor,
  eventually,
  everything,
  keyOf,
  map,
  maps,
  nameOf,
  Recorder,
  startBackend,
} from '../testing/fixtures.ts';
import { LyingKv } from '../testing/lying-kv.ts';

const secrets = codecFor('/registry/secrets/');

async function started(context: TestContext) {
  const etcd = new FakeEtcd();
  const kv = new LyingKv(etcd);
  for (const name of ['a', 'b', 'c']) etcd.put(keyOf(name), JSON.stringify(map(name)));
  const backend = startBackend(kv, { consistencyCheckIntervalMs: 20 });
  context.after(() => backend.stop());
  const storage = backend.resource(maps);
  backend.resource(secrets);
  await eventually(() => backend.synced(), 'synced');
  return { etcd, kv, backend, storage };
}

const ofKey = (key: string, told: (event: KvEvent) => readonly KvEvent[]) => (event: KvEvent) =>
  event.kv.key === key ? told(event) : [event];

const lies: Record<string, { key: string; what: string; tell(etcd: FakeEtcd, kv: LyingKv): void }> = {
  'an event that is lost: a creation': {
    key: keyOf('new'),
    what: 'not cached',
    tell(etcd, kv) {
      kv.tamper = ofKey(keyOf('new'), () => []);
      etcd.put(keyOf('new'), JSON.stringify(map('new')));
    },
  },
  'an event that is lost: a change': {
    key: keyOf('b'),
    what: 'another revision',
    tell(etcd, kv) {
      kv.tamper = ofKey(keyOf('b'), () => []);
      etcd.put(keyOf('b'), JSON.stringify(map('b', { new: 'x' })));
    },
  },
  'an event that is lost: a deletion': {
    key: keyOf('c'),
    what: 'not stored',
    tell(etcd, kv) {
      kv.tamper = ofKey(keyOf('c'), () => []);
      etcd.delete(keyOf('c'));
    },
  },
  'an event of an object that never was': {
    key: keyOf('phantom'),
    what: 'not stored',
    tell(etcd, kv) {
      kv.tamper = (event) => [event, { ...event, kv: { ...event.kv, key: keyOf('phantom') } }];
      etcd.put(keyOf('a'), JSON.stringify(map('a', { new: 'x' })));
    },
  },
  'an event with a revision that is not its own': {
    key: keyOf('a'),
    what: 'another revision',
    tell(etcd, kv) {
      kv.tamper = ofKey(keyOf('a'), (event) => [
        { ...event, kv: { ...event.kv, modRevision: event.kv.modRevision - 1 } },
      ]);
      etcd.put('/elsewhere', 'x');
      etcd.put(keyOf('a'), JSON.stringify(map('a', { new: 'x' })));
    },
  },
  'an event with a value that is not its own': {
    key: keyOf('new'),
    what: 'another value',
    tell(etcd, kv) {
      for (const name of ['a', 'b', 'c']) etcd.delete(keyOf(name));
      const value = Buffer.from(JSON.stringify(map('new', { not: 'so' })));
      kv.tamper = ofKey(keyOf('new'), (event) => [{ ...event, kv: { ...event.kv, value } }]);
      etcd.put(keyOf('new'), JSON.stringify(map('new', { is: 'so' })));
    },
  },
};

for (const [lie, { key, what, tell }] of Object.entries(lies)) {
  test(`consistency: ${lie}: seen, and mended from the store`, async (context) => {
    const { etcd, kv, backend, storage } = await started(context);
    const watching = new Recorder();
    await storage.watch(everything({ revision: etcd.revision }), watching);
    tell(etcd, kv);
    await eventually(() => backend.divergences().length > 0, 'it is seen');
    const [divergence] = backend.divergences();
    assert.equal(divergence!.prefix, maps.prefix);
    assert.deepEqual(
      divergence!.differences.map((d) => [d.key, d.what]),
      [[key, what]],
    );
    await eventually(() => watching.ended !== undefined, 'watchers are sent to list again');
    assert.ok(isStatusError(watching.ended!.error, 'Expired'));
    await eventually(() => backend.divergences().length === 0, 'it is mended');
    const { entries } = await storage.list({ prefix: maps.prefix, revision: 0 });
    const stored = await etcd.range({ key: maps.prefix, rangeEnd: '/registry/configmaps0' });
    assert.deepEqual(
      entries.map((e) => [e.key, e.revision, e.object().data]),
      stored.kvs.map((s) => [s.key, s.modRevision, JSON.parse(s.value.toString()).data]),
    );
    assert.ok(entries.every((e) => nameOf(e) !== 'phantom'));
  });
}

test('consistency: a store that lies for ever: never called consistent, and the other resources are looked at', async (context) => {
  const { etcd, kv, backend, storage } = await started(context);
  const phantom = keyOf('phantom');
  const range = kv.range;
  Object.assign(kv, {
    range: async (request: Parameters<typeof range>[0]) => {
      const response = await range(request);
      // What a list is told, but not who compares: the two can never agree.
      if (request.keysOnly || request.rangeEnd === undefined) return response;
      const kvs = [...response.kvs];
      if (request.key === maps.prefix) kvs.push({ ...kvs[0]!, key: phantom });
      return { ...response, kvs };
    },
  });
  kv.tamper = (event) => [event, { ...event, kv: { ...event.kv, key: phantom } }];
  etcd.put(keyOf('a'), JSON.stringify(map('a', { new: 'x' })));
  const { checks } = storage.statistics().counters;
  await eventually(() => checks.divergent > 0, 'it is seen');
  const clean = checks.consistent;
  await eventually(() => checks.divergent >= 3, 'it is seen again and again');
  assert.equal(checks.consistent, clean);
  assert.equal(backend.divergences().length, 1);
  const others = backend.resource(secrets).statistics().counters.checks;
  const before = others.consistent;
  await eventually(() => others.consistent > before + 3, 'secrets are compared');
});

test('consistency: a store that is away, has compacted, or holds what nobody can decode: no divergence', async (context) => {
  const { etcd, backend, storage } = await started(context);
  const { checks } = storage.statistics().counters;
  await eventually(() => checks.consistent > 0, 'a clean look');
  etcd.goDown();
  await eventually(() => checks.inconclusive > 0, 'the store is away');
  etcd.comeUp();
  const whole = checks.consistent;
  await eventually(() => checks.consistent > whole, 'a clean look again');
  etcd.put(keyOf('broken'), '{"kind":');
  etcd.compact(etcd.revision);
  const then = checks.consistent;
  await eventually(() => checks.consistent > then + 1, 'clean beside a broken value');
  assert.equal(checks.divergent, 0);
  assert.deepEqual(backend.divergences(), []);
});
