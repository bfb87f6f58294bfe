import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { dataDirAt, readState } from './data-dir.ts';
import { chooseSpec } from './spec.ts';
import { faultOfMemberCount, planStore, type StoreSpec, type StoreWanted, storeOf } from './store-spec.ts';

const wanted = (some: Partial<StoreWanted> = {}): StoreWanted => ({
  kind: undefined,
  members: undefined,
  heartbeatIntervalMs: undefined,
  electionTimeoutMs: undefined,
  ...some,
});

async function etcdOf(members: number): Promise<StoreSpec> {
  const store = planStore(wanted({ kind: 'etcd', members }), undefined);
  return (await chooseSpec({ port: 23_457, masters: 1, nodes: 0, store }, undefined, 'linux', Math.random)).store;
}

test('store spec: linux: each member on an address of its own, however few masters there are', {
  skip: process.platform !== 'linux',
}, async () => {
  const { members } = await etcdOf(5);
  assert.deepEqual(
    members.map((m) => [m.name, m.address]),
    [1, 2, 3, 4, 5].map((i) => [`etcd${i}`, `127.0.1.${i}`]),
  );
  for (const { clientPort, peerPort } of members) assert.notEqual(clientPort, peerPort);
});

test('store spec: elsewhere: the members share an address and no port', async () => {
  const store = planStore(wanted({ kind: 'etcd', members: 3 }), undefined);
  const spec = await chooseSpec({ port: 23_457, masters: 3, nodes: 0, store }, undefined, 'darwin', Math.random);
  const all = spec.store.members.flatMap((m) => [m.clientPort, m.peerPort!]);
  all.push(spec.port, ...spec.masters.map((m) => m.apiserverPort));
  assert.equal(new Set(all).size, all.length);
});

test('store spec: more masters than before: the cluster stays where it is', async () => {
  const { members } = await etcdOf(3);
  const store = planStore(wanted(), storeOf(planStore(wanted({ kind: 'etcd' }), undefined), members));
  const again = await chooseSpec({ port: 23_458, masters: 2, nodes: 0, store }, members, 'linux', Math.random);
  assert.deepEqual(again.store.members, members);
});

test('store spec: what cannot be changed is refused with what to do', async () => {
  const etcd = await etcdOf(3);
  const embedded: StoreSpec = { kind: 'embedded', members: [{ name: 'etcd', address: '127.0.0.1', clientPort: 1 }] };
  assert.throws(() => planStore(wanted({ kind: 'embedded' }), etcd), /in an etcd cluster .* another --data-dir/);
  assert.throws(() => planStore(wanted({ kind: 'etcd' }), embedded), /in the embedded store .* another --data-dir/);
  assert.throws(() => planStore(wanted({ members: 5 }), etcd), /has 3 members, not 5: leave out --etcd-members/);
  assert.throws(() => planStore(wanted({ members: 3 }), undefined), /--etcd-members is for --store etcd/);
  assert.throws(() => planStore(wanted({ electionTimeoutMs: 9 }), embedded), /--election-timeout is for --store etcd/);
});

test("store spec: etcd's times: kept, changed one by one, and refused where etcd would", async () => {
  const kept = { ...(await etcdOf(1)), heartbeatIntervalMs: 100, electionTimeoutMs: 1000 } as StoreSpec;
  const times = (some: Partial<StoreWanted>) => {
    const plan = planStore(wanted(some), kept);
    return plan.kind === 'etcd' && [plan.heartbeatIntervalMs, plan.electionTimeoutMs];
  };
  assert.deepEqual(times({}), [100, 1000]);
  assert.deepEqual(times({ electionTimeoutMs: 500 }), [100, 500]);
  assert.throws(
    () => times({ electionTimeoutMs: 499 }),
    /less than 5 times --heartbeat-interval 100.* give 500 or more/,
  );
  assert.throws(() => times({ heartbeatIntervalMs: 201 }), /give 1005 or more/);
  assert.throws(() => times({ electionTimeoutMs: 50_001 }), /more than etcd's 50000/);
});

test('store spec: numbers of members: odd ones, with the reason', () => {
  for (const good of [1, 3, 5]) assert.equal(faultOfMemberCount(good), undefined);
  assert.match(faultOfMemberCount(2)!, /a majority of 2 is 2, so .* give 1 or 3/);
  assert.match(faultOfMemberCount(4)!, /a majority of 4 is 3, so .* give 3 or 5/);
  assert.match(faultOfMemberCount(6)!, /give 1, 3 or 5/);
  for (const bad of [-2, -1, 0, 7]) assert.match(faultOfMemberCount(bad)!, new RegExp(`give 1, 3 or 5, not ${bad}`));
});

test('store spec: a data directory from before there was a choice: the embedded store, on its port', (t) => {
  const path = mkdtempSync(join(tmpdir(), 'evenkeel-spec-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  writeFileSync(
    join(path, 'controlplane.json'),
    JSON.stringify({ formatVersion: 1, spec: { host: '127.0.0.1', port: 6443, storePort: 2379, masters: [] } }),
  );
  assert.deepEqual(readState(dataDirAt(path))!.store, {
    kind: 'embedded',
    members: [{ name: 'etcd', address: '127.0.0.1', clientPort: 2379 }],
  });
});
