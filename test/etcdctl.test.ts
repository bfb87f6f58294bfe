/** Debian's etcdctl against our store, over TLS with client certificates. */
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { type CertificateFiles, makeAuthority } from './etcd-certificates.ts';
import { type OurEtcd, startOurEtcd } from './etcd-processes.ts';
import { restored, skip } from './restored-etcd.ts';

const isMissing = (() => {
  try {
    execFileSync('etcdctl', ['version'], { stdio: 'ignore', env: { ...process.env, ETCDCTL_API: '3' } });
    return false;
  } catch {
    return true;
  }
})();
if (isMissing && process.env['CI'] === 'true') throw new Error('etcdctl is missing: install etcd-client');

describe('etcdctl', { skip: isMissing && 'etcdctl is not installed (Debian: etcd-client)' }, () => {
  let dir: string;
  let etcd: OurEtcd;
  let client: CertificateFiles;
  let stranger: CertificateFiles;
  let foreign: CertificateFiles;
  let caFile: string;

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'etcdctl-'));
    const authority = await makeAuthority(dir, 'ca');
    caFile = authority.caFile;
    const server = await authority.issue('etcd');
    client = await authority.issue('apiserver');
    stranger = await authority.issue('stranger');
    foreign = await (await makeAuthority(dir, 'other')).issue('apiserver');
    etcd = await startOurEtcd([
      '--listen-client-urls=https://127.0.0.1:0',
      `--cert-file=${server.cert}`,
      `--key-file=${server.key}`,
      `--trusted-ca-file=${caFile}`,
      '--client-cert-auth',
      '--client-cert-allowed-cn=apiserver',
    ]);
  });
  after(async () => {
    await etcd?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const flags = (files: CertificateFiles) => [
    `--endpoints=${etcd.endpoint}`,
    `--cacert=${caFile}`,
    `--cert=${files.cert}`,
    `--key=${files.key}`,
    '--command-timeout=5s',
  ];
  const env = { ...process.env, ETCDCTL_API: '3' };
  const etcdctl = async (args: string[], input?: string) => {
    const running = promisify(execFile)('etcdctl', [...flags(client), ...args], { env, timeout: 20_000 });
    if (input !== undefined) running.child.stdin!.end(input);
    return (await running).stdout;
  };

  test('etcdctl: put, get, del', async () => {
    assert.equal(await etcdctl(['put', '/k/a', 'one']), 'OK\n');
    await etcdctl(['put', '/k/b', 'two']);
    assert.equal(await etcdctl(['get', '/k/', '--prefix']), '/k/a\none\n/k/b\ntwo\n');
    assert.equal(await etcdctl(['get', '/k/', '--prefix', '--keys-only', '--order=DESCEND', '--limit=1']), '/k/b\n\n');
    assert.equal(await etcdctl(['del', '/k/', '--prefix', '--prev-kv']), '2\n/k/a\none\n/k/b\ntwo\n');
    assert.equal(await etcdctl(['get', '/k/a', '--rev=2']), '/k/a\none\n');
  });

  test('etcdctl: txn', async () => {
    await etcdctl(['put', '/t', '1']);
    const output = await etcdctl(['txn'], 'value("/t") = "1"\n\nput /t 2\nget /t\n\nput /t wrong\n\n');
    assert.match(output, /SUCCESS\n\nOK\n\n\/t\n2\n/);
  });

  test('etcdctl: watch', async () => {
    await etcdctl(['put', '/w/a', '1']);
    const watch = spawn('etcdctl', [...flags(client), 'watch', '/w/', '--prefix', '--rev=1', '--prev-kv'], { env });
    try {
      let seen = '';
      watch.stdout.setEncoding('utf8');
      watch.stdout.on('data', (piece: string) => {
        seen += piece;
      });
      const until = async (pattern: RegExp) => {
        while (!pattern.test(seen)) await once(watch.stdout, 'data', { signal: AbortSignal.timeout(10_000) });
      };
      await until(/PUT\n\n*\/w\/a\n1\n/);
      await etcdctl(['del', '/w/a']);
      await until(/DELETE\n\/w\/a\n1\n/);
    } finally {
      watch.kill('SIGKILL');
    }
  });

  test('etcdctl: lease grant, keep-alive, timetolive, list, revoke', async () => {
    const id = /lease (\w+) granted with TTL\(60s\)/.exec(await etcdctl(['lease', 'grant', '60']))![1]!;
    await etcdctl(['put', '/l', '1', `--lease=${id}`]);
    assert.match(
      await etcdctl(['lease', 'timetolive', id, '--keys']),
      /granted with TTL\(60s\).*attached keys\(\[\/l\]\)/,
    );
    assert.match(await etcdctl(['lease', 'keep-alive', '--once', id]), /keepalived with TTL\(60\)/);
    assert.match(await etcdctl(['lease', 'list']), new RegExp(id));
    assert.match(await etcdctl(['lease', 'revoke', id]), /revoked/);
    assert.equal(await etcdctl(['get', '/l']), '');
  });

  test('etcdctl: compaction, defrag', async () => {
    await etcdctl(['put', '/c', '1']);
    const revision = JSON.parse(await etcdctl(['put', '/c', '2', '-w=json'])).header.revision;
    assert.match(await etcdctl(['compaction', String(revision), '--physical']), /compacted revision/);
    await assert.rejects(etcdctl(['get', '/c', `--rev=${revision - 1}`]), /required revision has been compacted/);
    assert.match(await etcdctl(['defrag']), /Finished defragmenting/);
    assert.equal(await etcdctl(['get', '/c']), '/c\n2\n');
  });

  test('etcdctl: members, status, health, alarms', async () => {
    assert.match(await etcdctl(['member', 'list']), /started, default, .*https:\/\/127\.0\.0\.1/);
    const [status] = JSON.parse(await etcdctl(['endpoint', 'status', '-w=json']));
    assert.equal(status.Status.leader, status.Status.header.member_id);
    assert.ok(status.Status.dbSize > 0);
    await etcdctl(['endpoint', 'health']);
    await etcdctl(['endpoint', 'hashkv']);
    assert.equal(await etcdctl(['alarm', 'list']), '');
    await assert.rejects(etcdctl(['member', 'add', 'x', '--peer-urls=http://127.0.0.1:1']), /has one member/);
  });

  test('etcdctl: snapshot save, status, restore: a real etcd goes on from it', { skip }, async (t) => {
    await etcdctl(['put', '/s', 'saved']);
    const file = join(dir, 'snapshot.db');
    assert.match(await etcdctl(['snapshot', 'save', file]), /Snapshot saved/);
    const [kv] = JSON.parse(await etcdctl(['get', '/s', '-w=json'])).kvs;
    const { stdout } = await promisify(execFile)('etcdctl', ['snapshot', 'status', file, '-w=json'], { env });
    assert.ok(JSON.parse(stdout).revision >= kv.mod_revision);
    const [member] = await restored(t, dir, file, ['m']);
    const there = await promisify(execFile)('etcdctl', [`--endpoints=${member!.endpoint}`, 'get', '/s', '-w=json'], {
      env,
    });
    assert.deepEqual(JSON.parse(there.stdout).kvs, [kv]);
  });

  test('etcdctl: answers of megabytes, and a watch that is told much: the connection lasts', async () => {
    const value = 'v'.repeat(100_000);
    const first = JSON.parse(await etcdctl(['put', '/large/first', value, '-w=json'])).header.revision;
    for (let i = 1; i < 12; i++) await etcdctl(['put', `/large/${i}`, value]);
    const got = await promisify(execFile)('etcdctl', [...flags(client), 'get', '/large/', '--prefix'], {
      env,
      maxBuffer: 10_000_000,
    });
    assert.ok(got.stdout.length > 1_200_000);
    await etcdctl(['snapshot', 'save', join(dir, 'large.db')]);
    const watch = spawn('etcdctl', [...flags(client), 'watch', '/large/', '--prefix', `--rev=${first}`], { env });
    try {
      let [seen, complaints] = [0, ''];
      watch.stdout.on('data', (piece: Buffer) => {
        seen += piece.length;
      });
      watch.stderr.on('data', (piece: Buffer) => {
        complaints += piece;
      });
      while (seen < 1_200_000) await once(watch.stdout, 'data', { signal: AbortSignal.timeout(10_000) });
      assert.equal(complaints, '');
    } finally {
      watch.kill('SIGKILL');
    }
  });

  test('etcdctl: lock: held while the command runs', async () => {
    assert.match(await etcdctl(['lock', '/lock', 'echo', 'inside']), /inside/);
    assert.equal(await etcdctl(['get', '/lock', '--prefix']), '');
  });

  test('etcdctl: a certificate of another CA, or of another name, or none: no answer', async () => {
    for (const files of [stranger, foreign]) {
      const run = promisify(execFile)('etcdctl', [...flags(files), '--command-timeout=1s', 'get', '/'], { env });
      await assert.rejects(run);
    }
    const bare = [`--endpoints=${etcd.endpoint}`, `--cacert=${caFile}`, '--command-timeout=1s', 'get', '/'];
    await assert.rejects(promisify(execFile)('etcdctl', bare, { env }));
    assert.equal(await etcdctl(['get', '/none']), '');
  });
});
