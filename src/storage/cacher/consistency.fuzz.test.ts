/** Honest stores under random histories: whatever happens, no cache is called divergent; and one that lies always is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { silentLogger } from '#base/log.ts';
import { realClock } from '#os/real-clock.ts';
import { FakeEtcd } from '../testing/fake-etcd.ts';
import { eventually, keyOf, map, maps } from '../testing/fixtures.ts';
import { LyingKv } from '../testing/lying-kv.ts';
import { ConsistencyChecker } from './consistency-checker.ts';
import { ResourceCache } from './resource-cache.ts';
import { StoreWatch } from './store-watch.ts';

type Step =
  | { do: 'put' | 'delete' | 'undecodable'; name: string }
  | {
      do:
        | 'pause'
        | 'look'
        | 'compact'
        | 'break'
        | 'down'
        | 'up'
        | 'hold'
        | 'release'
        | 'elsewhere'
        | 'replace'
        | 'rebuild';
    };

const name = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constantFrom('put' as const, 'put' as const, 'delete' as const), name }) },
  { weight: 12, arbitrary: fc.record({ do: fc.constantFrom('pause' as const, 'pause' as const, 'look' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('undecodable' as const), name }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom(
        ...(['compact', 'break', 'down', 'up', 'hold', 'release', 'elsewhere', 'replace', 'rebuild'] as const),
      ),
    }),
  },
);

interface World {
  etcd: FakeEtcd;
  kv: LyingKv;
  watch: StoreWatch;
  cache: ResourceCache;
  /** Begun, not waited for. */
  looks: Promise<void>[];
  look(): Promise<void>;
  stop(): Promise<void>;
}

async function started(): Promise<World> {
  const etcd = new FakeEtcd();
  const kv = new LyingKv(etcd);
  const clock = realClock;
  const log = silentLogger;
  const random = Math.random;
  const watch = new StoreWatch({ kv, clock, log, random, prefix: '/registry/' });
  const cache = new ResourceCache(maps, { clock, log, ringCapacity: 16 });
  watch.add(cache);
  const checker = new ConsistencyChecker({
    kv,
    clock,
    log,
    random,
    intervalMs: 0.5,
    revision: watch.revision,
    caches: () => watch.caches,
    check: (header, floor) => watch.check(header, floor),
    rebuild: (one) => watch.rebuild(one),
    pageKeys: 2,
  });
  const stopping = new AbortController();
  const ended = Promise.all([watch.run(stopping.signal), checker.run(stopping.signal)]);
  return {
    etcd,
    kv,
    watch,
    cache,
    looks: [],
    look: () => checker.look(cache, stopping.signal),
    async stop() {
      stopping.abort();
      await ended;
    },
  };
}

async function take(step: Step, { etcd, watch, cache, looks, look }: World): Promise<void> {
  switch (step.do) {
    case 'look':
      looks.push(look());
      return;
    case 'put':
      return void etcd.put(keyOf(step.name), JSON.stringify(map(step.name)));
    case 'delete':
      return void etcd.delete(keyOf(step.name));
    case 'undecodable':
      return void etcd.put(keyOf(step.name), '{');
    case 'elsewhere':
      return void etcd.put('/elsewhere', 'x');
    case 'pause':
      return new Promise((resolve) => setImmediate(resolve));
    case 'compact':
      // Refused where it is compacted already, or the store is away.
      await etcd.compact(etcd.revision).catch(() => {});
      return;
    case 'break':
      return etcd.breakStreams();
    case 'down':
      return etcd.goDown();
    case 'up':
      return etcd.comeUp();
    case 'hold':
      etcd.isWatchHeld = true;
      return;
    case 'release':
      return etcd.releaseWatch();
    case 'replace':
      return etcd.replace(String(Number(etcd.clusterId) + 1));
    case 'rebuild':
      return watch.rebuild(cache);
  }
}

test('consistency: random histories of an honest store: no false alarm', { timeout: 60_000 }, async () => {
  let histories = 0;
  let clean = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      const world = await started();
      try {
        await eventually(() => world.cache.ready, 'the cache is filled');
        for (const s of steps) await take(s, world);
        world.looks.push(world.look());
        await Promise.all(world.looks);
      } finally {
        await world.stop();
      }
      const { checks } = world.cache.counters;
      assert.equal(checks.divergent, 0);
      histories++;
      clean += checks.consistent;
    }),
    { numRuns: 2_000, interruptAfterTimeLimit: 10_000, markInterruptAsFailure: false },
  );
  assert.ok(clean > histories / 2, `${clean} clean looks in ${histories} histories`);
});

test('consistency: random histories with one event left out: always seen', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ do: fc.constantFrom('put' as const, 'delete' as const), name }), { maxLength: 20 }),
      name,
      async (steps, lost) => {
        const world = await started();
        for (const s of steps) await take(s, world);
        await eventually(
          () => world.cache.ready && world.watch.revision.applied >= world.etcd.revision - 1,
          'followed',
        );
        world.kv.tamper = (event) => (event.kv.key === keyOf(lost) ? [] : [event]);
        world.etcd.put(keyOf(lost), JSON.stringify(map(lost)));
        await eventually(() => world.cache.counters.checks.divergent > 0, 'it is seen');
        world.kv.tamper = (event) => [event];
        await world.stop();
      },
    ),
    { numRuns: 100, interruptAfterTimeLimit: 10_000, markInterruptAsFailure: false },
  );
});
