import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '#base/log.ts';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { FakeEtcd } from '../testing/fake-etcd.ts';
import { Compactor, compactRevKey } from './compactor.ts';

const intervalMs = 300_000;
const signal = new AbortController().signal;

function servers(etcd: FakeEtcd, count: number): Compactor[] {
  return Array.from(
    { length: count },
    () => new Compactor({ kv: etcd, clock: new FakeClock(), log: silentLogger, intervalMs }),
  );
}
const write = (etcd: FakeEtcd, n: number) => {
  for (let i = 0; i < n; i++) etcd.put(`/registry/x${i}`, 'x');
};
async function markOf(etcd: FakeEtcd): Promise<string | undefined> {
  return (await etcd.range({ key: compactRevKey })).kvs[0]?.value.toString();
}

test('compactor: alone: compacts what was the newest an interval ago, never later', async () => {
  const etcd = new FakeEtcd();
  const [one] = servers(etcd, 1);
  write(etcd, 10);
  assert.equal(await one!.round(signal), 0, 'a server that has just started does not know what its clients still need');
  const atFirst = etcd.revision;
  write(etcd, 10);
  assert.equal(await one!.round(signal), atFirst);
  assert.deepEqual([etcd.compacted, await markOf(etcd)], [atFirst, String(atFirst)]);
});

test('compactor: several servers: one compacts in each interval, whichever', async () => {
  const etcd = new FakeEtcd();
  const all = servers(etcd, 3);
  const compactedIn: number[] = [];
  for (let interval = 0; interval < 12; interval++) {
    const before = etcd.revision;
    write(etcd, 5);
    const turn = [...all.slice(interval % 3), ...all.slice(0, interval % 3)];
    const compacted: number[] = [];
    for (const server of turn) compacted.push(await server.round(signal));
    compactedIn.push(compacted.filter((r) => r > 0).length);
    assert.ok(etcd.compacted <= before, 'nothing of this interval');
  }
  assert.ok(
    compactedIn.every((n) => n <= 1),
    compactedIn.join(' '),
  );
  assert.ok(compactedIn.filter((n) => n === 1).length >= 10, compactedIn.join(' '));
});

test('compactor: several servers at the same moment: one compacts', async () => {
  const etcd = new FakeEtcd();
  const all = servers(etcd, 5);
  for (let interval = 0; interval < 6; interval++) {
    write(etcd, 5);
    const compacted = await Promise.all(all.map((s) => s.round(signal)));
    assert.ok(compacted.filter((r) => r > 0).length <= 1);
  }
  assert.ok(etcd.compacted > 0);
});

test('compactor: the one that compacts dies: another takes over two intervals later', async () => {
  const etcd = new FakeEtcd();
  const [first, second] = servers(etcd, 2);
  for (let i = 0; i < 3; i++) {
    write(etcd, 5);
    await first!.round(signal);
    await second!.round(signal);
  }
  const known = etcd.compacted;
  for (let i = 0; i < 2; i++) {
    write(etcd, 5);
    await second!.round(signal);
  }
  assert.ok(etcd.compacted > known);
});

test('compactor: compacted further by hand: goes on', async () => {
  const etcd = new FakeEtcd();
  const [one] = servers(etcd, 1);
  write(etcd, 5);
  await one!.round(signal);
  write(etcd, 5);
  await etcd.compact(etcd.revision);
  await one!.round(signal);
  write(etcd, 5);
  const due = await one!.round(signal);
  assert.equal(etcd.compacted, due);
});

test('compactor: a full store: is compacted all the same', async () => {
  const etcd = new FakeEtcd();
  const all = servers(etcd, 2);
  write(etcd, 5);
  for (const server of all) await server.round(signal);
  const known = etcd.revision;
  write(etcd, 5);
  etcd.alarms.add('NOSPACE');
  for (const server of all) await server.round(signal);
  assert.ok(etcd.compacted > 1 && etcd.compacted <= known, String(etcd.compacted));
  for (const server of all) await server.round(signal);
  assert.equal(etcd.compacted, etcd.revision);
});

test('compactor: the interval: waited for each time; 0 means never', async () => {
  for (const [ms, expected] of [
    [intervalMs, true],
    [0, false],
  ] as const) {
    const etcd = new FakeEtcd();
    const clock = new FakeClock();
    const stopping = new AbortController();
    const running = new Compactor({ kv: etcd, clock, log: silentLogger, intervalMs: ms }).run(stopping.signal);
    write(etcd, 5);
    await clock.advance(intervalMs - 1);
    assert.equal(await markOf(etcd), undefined);
    await clock.advance(1);
    assert.equal((await markOf(etcd)) === '0', expected);
    etcd.goDown();
    await clock.advance(intervalMs);
    etcd.comeUp();
    await clock.advance(intervalMs);
    assert.equal(etcd.compacted > 0, expected, 'one failure does not end it');
    stopping.abort();
    await running;
  }
});
