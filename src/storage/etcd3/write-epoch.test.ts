import assert from 'node:assert/strict';
import { test } from 'node:test';
import { realClock } from '#os/real-clock.ts';
import { FakeEtcd } from '../testing/fake-etcd.ts';
import { type EtcdKv, KvError, type TxnRequest } from './kv.ts';
import { withWriteEpoch } from './write-epoch.ts';

const epochKey = '/registry/evenkeel.dev/write-epoch';
const create = (key: string): TxnRequest => ({
  compare: [{ key, modRevision: 0 }],
  success: [{ type: 'put', key, value: Buffer.from('{}') }],
  failure: [{ type: 'range', key }],
});

/** A store in front of which transactions can get stuck: told as lost, and delivered when they are let go. */
class Sluggish {
  readonly etcd = new FakeEtcd();
  readonly stuck: TxnRequest[] = [];
  isStuck: (request: TxnRequest) => boolean = () => false;

  kv(): EtcdKv {
    const { etcd } = this;
    const inner: EtcdKv = {
      range: (request) => etcd.range(request),
      grantLease: () => etcd.grantLease(),
      version: () => etcd.version(),
      compact: (revision) => etcd.compact(revision),
      condition: () => etcd.condition(),
      watch: (request, sink) => etcd.watch(request, sink),
      txn: async (request) => {
        if (!this.isStuck(request)) return etcd.txn(request);
        this.stuck.push(request);
        throw new KvError('unavailable', 'no answer', { maybeApplied: true });
      },
    };
    return withWriteEpoch(inner, realClock, epochKey);
  }

  async letGo(): Promise<void> {
    for (const request of this.stuck.splice(0)) await this.etcd.txn(request);
  }
}

const exists = async (etcd: FakeEtcd, key: string) => (await etcd.range({ key })).kvs.length > 0;
const isLost = (error: unknown) => error instanceof KvError && error.maybeApplied;

test('write epoch: a create that was told lost: never arrives afterwards', async () => {
  const store = new Sluggish();
  const kv = store.kv();
  let stuck = 1;
  store.isStuck = () => stuck-- > 0;
  await assert.rejects(kv.txn(create('/a')), isLost);
  assert.ok((await kv.txn(create('/a'))).succeeded, 'the second try');
  await kv.txn({ compare: [], success: [{ type: 'delete', key: '/a' }], failure: [] });
  assert.equal(store.stuck.length, 1);
  await store.letGo();
  assert.equal(await exists(store.etcd, '/a'), false);
});

test('write epoch: the end of an epoch gets lost too: it is sought until it is certain', async () => {
  const store = new Sluggish();
  const kv = store.kv();
  let stuck = 3;
  store.isStuck = () => stuck-- > 0;
  await assert.rejects(kv.txn(create('/a')), isLost);
  assert.equal(store.stuck.length, 3, 'the create, and two tries to end the epoch');
  await store.letGo();
  assert.equal(await exists(store.etcd, '/a'), false);
  assert.ok((await kv.txn(create('/a'))).succeeded);
});

test('write epoch: another server ended the epoch: a create costs one more round, and is answered truly', async () => {
  const store = new Sluggish();
  const [one, other] = [store.kv(), store.kv()];
  let stuck = 1;
  store.isStuck = () => stuck-- > 0;
  await assert.rejects(one.txn(create('/a')), isLost);
  assert.ok((await other.txn(create('/b'))).succeeded);
  const again = await other.txn(create('/b'));
  assert.equal(again.succeeded, false);
  assert.deepEqual(
    again.ranges.map((kvs) => kvs.map((kv) => kv.key)),
    [['/b']],
    'the answer is to what was asked',
  );
});

test('write epoch: writes that compare a revision: as they are', async () => {
  const store = new Sluggish();
  const { revision } = await store.kv().txn(create('/a'));
  const update = { ...create('/a'), compare: [{ key: '/a', modRevision: revision }] };
  let stuck = 1;
  store.isStuck = () => stuck-- > 0;
  await assert.rejects(store.kv().txn(update), isLost);
  assert.equal(await exists(store.etcd, epochKey), false);
});

test('write epoch: who gives up waiting is told that the outcome is unknown', async () => {
  const store = new Sluggish();
  store.isStuck = () => true;
  await assert.rejects(store.kv().txn(create('/a'), AbortSignal.timeout(120)), isLost);
});
