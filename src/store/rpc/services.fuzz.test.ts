/**
 * Any bytes to every method: nothing but an answer or a refusal comes of it, and what the store holds stays whole. The
 * bytes are requests that were put together at random, some damaged afterwards; the seed is in a failure's message.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { silentLogger } from '#base/log.ts';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { AlarmType, type TxnRequestInit } from '#etcd/messages.ts';
import { Auth, Cluster, Election, Health, KV, Lease, Lock, Maintenance, type Method, Watch } from '#etcd/rpc.ts';
import { realClock } from '#os/real-clock.ts';
import { openDatabase } from '../backend/database.ts';
import type { Store } from '../store.ts';
import { StoreError } from '../store-error.ts';
import { randomId, temporaryStore } from '../testing/fixtures.ts';
import { authService } from './auth-service.ts';
import { electionService } from './election-service.ts';
import { healthService } from './health-service.ts';
import { kvService } from './kv-service.ts';
import { leaseService } from './lease-service.ts';
import { lockService } from './lock-service.ts';
import { clusterService, maintenanceService } from './maintenance-service.ts';

const limits = { maxRequestBytes: 1.5 * 1024 * 1024, maxTxnOps: 128 };
const headerOf = (revision: number) => ({ clusterId: 1n, memberId: 2n, revision, raftTerm: 3n });

type Handler = (request: unknown, bytes: number, call: { onCancel(stop: () => void): void }) => unknown;

function unaryMethods(store: Store): { name: string; method: Method; handler: Handler }[] {
  const members = { name: 'm', clientUrls: [], peerUrls: [] };
  const services: [Record<string, Method>, Record<string, unknown>][] = [
    [KV, kvService(store, headerOf, limits)],
    [Lease, leaseService(store, headerOf)],
    [Cluster, clusterService(store, headerOf, members)],
    [Maintenance, maintenanceService(store, headerOf, realClock, silentLogger)],
    [Auth, authService(store, headerOf)],
    [Lock, lockService(store, headerOf)],
    [Election, electionService(store, headerOf, silentLogger)],
    [Health, healthService()],
  ];
  return services.flatMap(([table, handlers]) =>
    Object.entries(table)
      .filter(([, method]) => !method.responseStream)
      .map(([name, method]) => ({ name, method, handler: handlers[name] as Handler })),
  );
}

// Few keys, leases and revisions, so that requests meet.
const key = fc.oneof(
  fc.constantFrom('', 'a', 'b', 'c', 'a/1', '\0', 'z').map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes)),
);
const number = fc.oneof(fc.integer({ min: -3, max: 12 }), fc.constantFrom(-(2 ** 62), 2 ** 31, 2 ** 53 - 1, 2 ** 62));
const kind = fc.integer({ min: -1, max: 6 }) as fc.Arbitrary<any>;
const lease = fc.oneof(fc.bigInt({ min: -2n, max: 4n }), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }));
const flag = fc.boolean();
const rangeRequest = fc.record({
  key,
  rangeEnd: key,
  limit: number,
  revision: number,
  sortOrder: kind,
  sortTarget: kind,
  keysOnly: flag,
  countOnly: flag,
  minModRevision: number,
  maxCreateRevision: number,
});
const putRequest = fc.record({ key, value: key, lease, prevKv: flag, ignoreValue: flag, ignoreLease: flag });
const deleteRequest = fc.record({ key, rangeEnd: key, prevKv: flag });
const compare = fc.record({ result: kind, target: kind, key, rangeEnd: key, version: number, value: key, lease });
const { txn: txnRequest } = fc.letrec<{ txn: TxnRequestInit; op: object }>((tie) => ({
  op: fc.oneof(
    { maxDepth: 4 },
    fc.constant({}),
    fc.record({ requestRange: rangeRequest }),
    fc.record({ requestPut: putRequest }),
    fc.record({ requestDeleteRange: deleteRequest }),
    fc.record({ requestTxn: tie('txn') }),
  ),
  txn: fc.record({
    compare: fc.array(compare, { maxLength: 2 }),
    success: fc.array(tie('op'), { maxLength: 3 }),
    failure: fc.array(tie('op'), { maxLength: 3 }),
  }) as fc.Arbitrary<TxnRequestInit>,
}));
const leader = fc.record({ name: key, key, rev: number, lease });

/** Methods with requests that mean something to them; the rest get bytes. */
const meant: Record<string, fc.Arbitrary<object>> = {
  range: rangeRequest,
  put: putRequest,
  deleteRange: deleteRequest,
  txn: txnRequest,
  compact: fc.record({ revision: number, physical: flag }),
  grant: fc.record({ id: lease, ttl: number }),
  revoke: fc.record({ id: lease }),
  timeToLive: fc.record({ id: lease, keys: flag }),
  alarm: fc.record({ action: kind, memberId: fc.bigInt({ min: 0n, max: 2n }), alarm: kind }),
  hashKv: fc.record({ revision: number }),
  lock: fc.record({ name: key, lease }),
  unlock: fc.record({ key }),
  campaign: fc.record({ name: key, lease, value: key }),
  proclaim: fc.record({ leader, value: key }),
  leader: fc.record({ name: key }),
  resign: fc.record({ leader }),
};
const damage = fc.array(fc.record({ at: fc.nat(), byte: fc.nat(255) }), { maxLength: 3 });

function damaged(bytes: Buffer, changes: readonly { at: number; byte: number }[]): Buffer {
  const copy = Buffer.from(bytes);
  for (const { at, byte } of changes) if (copy.length > 0) copy[at % copy.length] = byte;
  return copy;
}

/** An answer, a refusal, or, of a lock somebody else holds, nothing until it is given up. */
async function ask(handler: Handler, method: Method, bytes: Buffer): Promise<void> {
  let body: unknown;
  try {
    body = method.request.decode(bytes);
  } catch {
    return;
  }
  let stop = () => {};
  const call = {
    onCancel(fn: () => void) {
      stop = fn;
    },
  };
  const answered = Promise.resolve().then(() => handler(body, bytes.length, call));
  const isLong = await Promise.race([
    answered.then(
      () => false,
      () => false,
    ),
    turns(50).then(() => true),
  ]);
  if (isLong) stop();
  try {
    const answer = await answered;
    method.response.decode(method.response.encode(answer));
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
  }
}

async function turns(n: number): Promise<void> {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setTimeout(resolve, 1));
}

function fuzzedStore(t: TestContext): { store: Store; methods: ReturnType<typeof unaryMethods> } {
  const store = temporaryStore(t, { clock: new FakeClock() });
  return { store, methods: unaryMethods(store) };
}

/** Else everything after an alarm would only be refused. */
async function disarmed(store: Store): Promise<void> {
  for (const { memberId, alarm } of store.alarms.list(AlarmType.NONE)) await store.alarmDeactivate(memberId, alarm);
}

/** All of the history, as the index has it and as the file has it, is the same; also for whoever opens the file next. */
async function checkWhole(store: Store, revisionsMin: number): Promise<void> {
  assert.ok(store.revision > revisionsMin, `only ${store.revision} revisions were made`);
  const { method, handler } = unaryMethods(store).find(({ name }) => name === 'range')!;
  const all = { key: Buffer.from([0]), rangeEnd: Buffer.from([0]) };
  const request = method.request.decode(method.request.encode(all));
  const { kvs, count } = (await handler(request, 0, { onCancel() {} })) as { kvs: object[]; count: number };
  assert.equal(kvs.length, count);
  await store.settled();
  const hash = await store.hash(0);
  const { compactRevision, revision } = store;
  const copy = `${store.database.path}-copy`;
  mkdirSync(copy);
  await store.exclusively(() => store.database.copyTo(`${copy}/store.db`));
  const database = openDatabase(copy, randomId, new FakeClock());
  const next = temporaryStore({ after() {} } as unknown as TestContext, { database });
  try {
    assert.deepEqual([next.revision, next.compactRevision, await next.hash(0)], [revision, compactRevision, hash]);
  } finally {
    database.close();
    await store.stop();
  }
}

test('fuzz: requests that mean something: an answer or a refusal, and a store that is whole', async (t) => {
  const { store, methods } = fuzzedStore(t);
  const names = methods.filter(({ name }) => meant[name]);
  const one = fc.oneof(
    ...names.map(({ name, method, handler }) => meant[name]!.map((request) => ({ method, handler, request }))),
  );
  await fc.assert(
    fc.asyncProperty(one, async ({ method, handler, request }) => {
      await ask(handler, method, method.request.encode(request));
      await disarmed(store);
    }),
    { numRuns: 1500 },
  );
  await checkWhole(store, 20);
});

test('fuzz: damaged requests and any bytes: an answer or a refusal, and a store that is whole', async (t) => {
  const { store, methods } = fuzzedStore(t);
  const one = fc.oneof(
    ...methods.map(({ name, method, handler }) =>
      fc.tuple(meant[name] ?? fc.constant({}), damage).map(([request, changes]) => ({
        method,
        handler,
        bytes: damaged(method.request.encode(request), changes),
      })),
    ),
    ...methods.map(({ method, handler }) =>
      fc.uint8Array({ maxLength: 40 }).map((bytes) => ({ method, handler, bytes: Buffer.from(bytes) })),
    ),
  );
  await fc.assert(
    fc.asyncProperty(one, async ({ method, handler, bytes }) => {
      await ask(handler, method, bytes);
      await disarmed(store);
    }),
    { numRuns: 1500 },
  );
  await checkWhole(store, 2);
});

test('fuzz: decoders: what they take they give back the same, and nothing makes them read beyond the end', () => {
  const tables = [KV, Watch, Lease, Cluster, Maintenance, Auth, Lock, Election, Health];
  const codecs = tables.flatMap((table) => Object.values(table) as Method[]).flatMap((m) => [m.request, m.response]);
  fc.assert(
    fc.property(fc.constantFrom(...codecs), fc.uint8Array({ maxLength: 60 }), (codec, bytes) => {
      let once: unknown;
      try {
        once = codec.decode(Buffer.from(bytes));
      } catch (error) {
        assert.ok(error instanceof Error);
        return;
      }
      assert.deepEqual(codec.decode(codec.encode(once)), once);
    }),
    { numRuns: 20_000 },
  );
});
