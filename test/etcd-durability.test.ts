/** What was acknowledged is there after `kill -9`; what is not ours is left alone. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { silentLogger } from '#base/log.ts';
import { freePort } from '#base/testing/free-port.ts';
import { createEtcdClient } from '#etcd/client.ts';
import { realClock } from '#os/real-clock.ts';
import { makeAuthority } from './etcd-certificates.ts';
import { spawnOurEtcd, startOurEtcd } from './etcd-processes.ts';
import { text } from './etcd-suite.ts';
import { storeUnderKill } from './long/store-under-kill.ts';

const clientOf = (endpoint: string) => createEtcdClient({ endpoints: [endpoint], clock: realClock, log: silentLogger });

function temporary(t: { after(fn: () => void): void }): string {
  const dir = mkdtempSync(join(tmpdir(), 'evenkeel-etcd-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test('etcd: kill -9 under load: nothing acknowledged is lost, no revision is used twice, watches have no gap', async (t) => {
  const dataDir = temporary(t);
  const report = await storeUnderKill({
    dataDir,
    cycles: 3,
    writers: 16,
    seed: 1,
    requestsMin: 150,
    requestsMax: 500,
    signal: t.signal,
  });
  assert.deepEqual(report.violations, []);
  assert.ok(report.cycle === 3 && report.acknowledged > 450 && report.watchEvents > 450);
});

test('etcd: restart: leases live on, history and compaction are kept, the client finds it again', async (t) => {
  const dir = temporary(t);
  const listen = [`--listen-client-urls=http://127.0.0.1:${await freePort()}`];
  let etcd = await startOurEtcd(listen, dir);
  t.after(() => etcd.stop());
  const client = clientOf(etcd.endpoint);
  t.after(() => client.close());
  const key = text('/r');
  const { id } = await client.leaseGrant({ ttl: 2 });
  await client.put({ key: text('/leased'), value: text('1'), lease: id });
  const second = (await client.put({ key, value: text('2') })).header!.revision;
  const third = (await client.put({ key, value: text('3') })).header!.revision;
  const { header } = await client.deleteRange({ key });
  await client.compact({ revision: second, physical: true });
  const cluster = header!.clusterId;
  const broken = new Promise<void>((resolve) => {
    client.watch({ key }, { events() {}, progress() {}, compacted() {}, closed: () => resolve() });
  });
  assert.equal(await etcd.end('SIGTERM'), 0);
  await broken;

  etcd = await startOurEtcd(listen, dir);
  const now = await client.range({ key });
  assert.deepEqual([now.count, now.header.revision, now.header.clusterId], [0, header!.revision, cluster]);
  assert.equal((await client.range({ key, revision: third })).kvs[0]!.version, 2);
  await assert.rejects(client.range({ key, revision: second - 1 }), /compacted/);
  assert.equal((await client.put({ key, value: text('4') })).header!.revision, header!.revision + 1);
  assert.equal((await client.range({ key })).kvs[0]!.version, 1);

  const expired = Promise.withResolvers<void>();
  client.watch(
    { key: text('/leased') },
    { events: () => expired.resolve(), progress() {}, compacted() {}, closed: (error) => expired.reject(error) },
  );
  if ((await client.range({ key: text('/leased') })).count > 0) await expired.promise;
});

/** Exit status and the last line of standard error of a start that must fail. */
async function refusal(...flags: string[]): Promise<{ status: number; line: string }> {
  const child = spawnOurEtcd(flags);
  let output = '';
  child.stderr!.setEncoding('utf8').on('data', (piece: string) => {
    output += piece;
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  const [status] = (await once(child, 'close')) as [number];
  clearTimeout(timer);
  return { status, line: output.trim().split('\n').at(-1)! };
}

const anywhere = '--listen-client-urls=http://127.0.0.1:0';

test('etcd: data directory: damaged, foreign, newer, locked: refused in one line, and left as it was', async (t) => {
  const cases: [string, (path: string) => void, RegExp][] = [
    [
      'garbage',
      (path) => writeFileSync(path, 'not a database at all, just text'.repeat(100)),
      /store\.db is not a database/,
    ],
    [
      'foreign',
      (path) => new DatabaseSync(path).exec('CREATE TABLE theirs (x)'),
      /store\.db belongs to another program: choose another directory/,
    ],
    [
      'newer',
      (path) => {
        const db = new DatabaseSync(path);
        db.exec(`PRAGMA application_id = ${0x45764b6c}; PRAGMA user_version = 99; CREATE TABLE kv (x)`);
        db.close();
      },
      /written by a newer version \(format 99/,
    ],
  ];
  for (const [name, make, message] of cases) {
    const dir = temporary(t);
    const path = join(dir, 'store.db');
    make(path);
    const before = readFileSync(path);
    const { status, line } = await refusal(`--data-dir=${dir}`, anywhere);
    assert.equal(status, 1, name);
    assert.match(line, message);
    assert.deepEqual(readFileSync(path), before, name);
    assert.equal(existsSync(`${path}-wal`), false, name);
  }
  const real = temporary(t);
  mkdirSync(join(real, 'member', 'snap'), { recursive: true });
  writeFileSync(join(real, 'member', 'snap', 'db'), '');
  assert.match((await refusal(`--data-dir=${real}`, anywhere)).line, /belongs to another etcd/);
});

test('etcd: data directory: in use: the second process is refused, the first goes on', async (t) => {
  const dir = temporary(t);
  const etcd = await startOurEtcd([], dir);
  t.after(() => etcd.stop());
  const { status, line } = await refusal(`--data-dir=${dir}`, anywhere);
  assert.equal(status, 1);
  assert.match(line, /store\.db is in use by another process: stop it, or choose another --data-dir/);
  const client = clientOf(etcd.endpoint);
  t.after(() => client.close());
  await client.put({ key: text('/a'), value: text('1') });
});

test('etcd: data directory: a damaged page: refused at the start', async (t) => {
  const dir = temporary(t);
  const etcd = await startOurEtcd([], dir);
  const client = clientOf(etcd.endpoint);
  for (let i = 0; i < 20; i++) await client.put({ key: text(`/a${i}`), value: Buffer.alloc(2000, 'x') });
  client.close();
  assert.equal(await etcd.end('SIGTERM'), 0);
  const path = join(dir, 'store.db');
  const bytes = readFileSync(path);
  assert.ok(bytes.length > 5 * 4096);
  bytes.fill(0xa5, 4096, bytes.length);
  writeFileSync(path, bytes);
  const { status, line } = await refusal(`--data-dir=${dir}`, anywhere);
  assert.equal(status, 1);
  assert.match(line, /store\.db is damaged \(.*\): restore a snapshot, or move it away/);
});

test('etcd: wrong use: one line that names the thing', async (t) => {
  const dir = temporary(t);
  const etcd = await startOurEtcd([], dir);
  t.after(() => etcd.stop());
  const data = `--data-dir=${join(dir, 'other')}`;
  const authority = await makeAuthority(dir, 'ca');
  const good = await authority.issue('etcd');
  const expired = await authority.issue('expired', new Date(Date.now() - 1000));
  const tls = (cert: string, key: string) => [`--cert-file=${cert}`, `--key-file=${key}`];
  const cases: [string[], number, RegExp][] = [
    [[data, anywhere, ...tls(expired.cert, expired.key)], 1, /ca-expired\.crt expired on .*: renew it/],
    [[data, anywhere, ...tls(good.cert, expired.key)], 1, /ca-expired\.key is not the key of .*ca-etcd\.crt/],
    [[data, anywhere, ...tls(good.key, good.key)], 1, /--cert-file: .* is not what it should be/],
    [[data, `--listen-client-urls=${etcd.endpoint}`], 1, /port \d+ on 127\.0\.0\.1 is in use: stop what listens there/],
    [[data, '--listen-client-urls=127.0.0.1:2379'], 1, /is no URL such as/],
    [[data, '--listen-client-urls=https://127.0.0.1:0'], 1, /needs a certificate: give --cert-file and --key-file/],
    [[data, anywhere, '--cert-file=/none', '--key-file=/none'], 1, /--cert-file: cannot read \/none: ENOENT/],
    [[data, '--client-cert-auth'], 2, /--client-cert-auth needs --trusted-ca-file/],
    [[data, '--data-dri=/x'], 2, /unknown flag: --data-dri; did you mean --data-dir\?/],
    [[data, '--auto-compaction-retention=soon'], 2, /give hours, or a duration/],
  ];
  for (const [flags, status, message] of cases) {
    const result = await refusal(...flags);
    assert.equal(result.status, status, flags.join(' '));
    assert.match(result.line, message);
  }
});
