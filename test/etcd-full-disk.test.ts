/** A disk without room, on a file system of its own: writes are refused, reads go on, and room is enough to go on. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { silentLogger } from '#base/log.ts';
import { createEtcdClient } from '#etcd/client.ts';
import { Code } from '#etcd/etcd-error.ts';
import { realClock } from '#os/real-clock.ts';
import { output, spawnOurEtcd, startOurEtcd } from './etcd-processes.ts';
import { etcdFailure, prefixEnd, text } from './etcd-suite.ts';

const spaceless = etcdFailure(Code.RESOURCE_EXHAUSTED, 'etcdserver: mvcc: database space exceeded');
const mib = 1024 * 1024;

/** A file system in memory. Undefined where one may not be mounted. */
function mounted(t: TestContext, ...options: string[]): string | undefined {
  const dir = mkdtempSync(join(tmpdir(), 'full-disk-'));
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', ['size=64m', ...options].join(), 'tmpfs', dir]);
  if (status !== 0 && process.env['CI'] === 'true') assert.fail('no file system may be mounted: run as root');
  t.after(() => {
    if (status === 0) spawnSync('umount', ['-l', dir]);
    rmSync(dir, { recursive: true, force: true });
  });
  return status === 0 ? dir : undefined;
}

/** Takes all but so many bytes. */
function fill(dir: string, leftBytes: number): () => void {
  const path = join(dir, 'filler');
  const { bavail, bsize } = statfsSync(dir);
  writeFileSync(path, Buffer.alloc(Math.max(0, bavail * bsize - leftBytes)));
  return () => rmSync(path);
}

const mayNotMount = 'a file system cannot be mounted here (only root may)';

test('etcd: the disk runs full: writes are refused, reads are not, and it goes on by itself', async (t) => {
  const dir = mounted(t);
  if (!dir) return t.skip(mayNotMount);
  const dataDir = join(dir, 'data');
  const etcd = await startOurEtcd([], dataDir);
  t.after(() => etcd.stop());
  const client = createEtcdClient({ endpoints: [etcd.endpoint], clock: realClock, log: silentLogger });
  t.after(() => client.close());
  const health = async () => {
    const response = await fetch(`${etcd.endpoint}/health`);
    return `${response.status} ${await response.text()}`;
  };
  await client.put({ key: text('/a/1'), value: text('1') });
  const { id } = await client.leaseGrant({ ttl: 2 });
  await client.put({ key: text('/leased'), lease: id });

  // Little room: nothing is added, what is there may be taken away.
  let makeRoom = fill(dir, 16 * mib);
  await assert.rejects(client.put({ key: text('/a/2') }), spaceless);
  await assert.rejects(client.txn({ success: [{ requestPut: { key: text('/a/2') } }] }), spaceless);
  await assert.rejects(client.leaseGrant({ ttl: 60 }), spaceless);
  assert.equal((await client.range({ key: text('/a/'), rangeEnd: prefixEnd('/a/') })).count, 1);
  assert.equal((await client.deleteRange({ key: text('/a/1') })).deleted, 1);
  assert.match(await health(), /^503 .*the disk is nearly full: writes are refused until there is room/);
  makeRoom();
  const put = await client.put({ key: text('/a/3'), value: text('3') });
  assert.match(await health(), /^200 /);

  // No room at all: nothing is written, not even a lease's end, and the process lives.
  makeRoom = fill(dir, 0);
  await assert.rejects(client.put({ key: text('/a/4') }), spaceless);
  await assert.rejects(client.deleteRange({ key: text('/a/3') }), spaceless);
  await assert.rejects(client.compact({ revision: put.header!.revision }), spaceless);
  assert.equal((await client.range({ key: text('/a/3') })).kvs[0]!.value.toString(), '3');

  // Killed on a full disk it comes back to read.
  await etcd.end('SIGKILL');
  const again = await startOurEtcd([], dataDir);
  t.after(() => again.stop());
  const other = createEtcdClient({ endpoints: [again.endpoint], clock: realClock, log: silentLogger });
  t.after(() => other.close());
  assert.equal((await other.range({ key: text('/a/3') })).kvs[0]!.value.toString(), '3');
  await assert.rejects(other.put({ key: text('/a/5') }), spaceless);
  makeRoom();
  const { header } = await other.put({ key: text('/a/5') });
  assert.ok(header!.revision > put.header!.revision);
  // And the lease whose end could not be stored ends.
  const until = Date.now() + 20_000;
  while ((await other.range({ key: text('/leased') })).count > 0) assert.ok(Date.now() < until, 'the lease stayed');
});

/** Exit status and last line of a start that must fail. */
async function refusal(dataDir: string): Promise<string> {
  const child = spawnOurEtcd([`--data-dir=${dataDir}`, '--listen-client-urls=http://127.0.0.1:0']);
  const error = await output(child, /ready to serve/, 30_000).then(
    () => new Error('it started'),
    (failure: Error) => failure,
  );
  child.kill('SIGKILL');
  return error.message;
}

test('etcd: a new store on a full disk, or on one that cannot be written: one line that says so', async (t) => {
  const dir = mounted(t);
  if (!dir) return t.skip(mayNotMount);
  fill(dir, 0);
  assert.match(
    await refusal(join(dir, 'data')),
    /no room for .*store\.db on the disk: make room|cannot write in .*store\.db/,
  );
  const readOnly = mounted(t, 'ro')!;
  assert.match(
    await refusal(join(readOnly, 'data')),
    /cannot write in .*store\.db: .*choose another directory with --data-dir/,
  );
});
