/** `evenkeel store`: what it refuses, in one line with the remedy; what it tells; how it stops. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { OperatorError } from '#base/errors.ts';
import { UsageError } from '#base/flags.ts';
import { freePort } from '#base/testing/free-port.ts';
import { openDatabase } from '#store/backend/database.ts';
import { noClock } from '#store/snapshot/embedded-snapshot.ts';
import * as migrate from '../bin/store-migrate.ts';
import * as restore from '../bin/store-restore.ts';
import * as save from '../bin/store-save.ts';
import * as status from '../bin/store-status.ts';
import { startOurEtcd } from './etcd-processes.ts';
import { withClient } from './store-view.ts';

const entry = join(import.meta.dirname, '..', 'bin', 'evenkeel.ts');
const commands = { save, status, restore, migrate };

function directory(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'evenkeel-store-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test('store: wrong use: said in one line that names the thing and the remedy', async (t) => {
  const dir = directory(t);
  const path = (name: string) => join(dir, name);
  writeFileSync(path('letter'), 'dear');
  openDatabase(path('data'), () => 1n, noClock).close();
  const wrongUse: [keyof typeof commands, string[], RegExp][] = [
    ['save', [], /give the FILE to write/],
    ['save', [path('x'), 'y'], /unexpected argument "y"/],
    ['save', [path('x'), '--endpoints=a'], /--endpoints: not host:port: http:\/\/a/],
    ['save', [path('x'), '--endpoints=https://a:1'], /https:\/\/a:1 needs --cacert/],
    ['save', [path('x'), '--endpoints=a:1', '--data-dir=b'], /--endpoints or --data-dir, not both/],
    ['save', [path('x'), '--endpoints=a:1', '--cacert=c', '--cert=b'], /--cert and --key go together/],
    ['save', [path('x'), '--cert=a'], /--cacert, --cert and --key need --endpoints/],
    ['save', [path('x'), '--output=yaml'], /--output takes text or json, not yaml/],
    ['status', [path('x'), '-o=yaml'], /--output takes simple, json or table, not yaml/],
    ['restore', [path('x')], /give --data-dir/],
    ['restore', [path('x'), '--data-dir=d', '--bump-revision=5'], /needs --mark-compacted/],
    ['restore', [path('x'), '--data-dir=d', '--mark-compacted'], /needs --bump-revision N/],
    ['restore', [path('x'), '--data-dir=d', '--bump-revision=-1'], /give 0 or more/],
    ['migrate', ['--from=a', '--to=b', '--output=c'], /--to takes etcd-snapshot or embedded/],
    ['migrate', ['--to=embedded'], /give --from, --to and --output/],
  ];
  const cannot: [keyof typeof commands, string[], RegExp][] = [
    ['save', [path('x'), `--data-dir=${dir}`], /holds no store: give a snapshot, or the data directory/],
    ['save', [path('no/x'), '--endpoints=127.0.0.1:1'], /no does not exist: make it, or choose another place/],
    ['save', [path('letter'), `--data-dir=${path('data')}`], /letter exists and is no snapshot: choose another name/],
    ['status', [path('letter')], /is neither a snapshot of evenkeel nor of etcd/],
    ['status', [path('none')], /none does not exist: give a file/],
    ['restore', [path('letter'), `--data-dir=${path('new')}`], /is neither a snapshot/],
    ['migrate', [`--from=${path('none')}`, '--to=embedded', `--output=${path('new')}`], /none does not exist/],
  ];
  for (const [kind, cases] of [
    [UsageError, wrongUse],
    [OperatorError, cannot],
  ] as const) {
    for (const [command, argv, message] of cases) {
      await assert.rejects(
        commands[command].run(argv, 'store', AbortSignal.timeout(20_000)),
        (error: Error) => {
          assert.ok(error instanceof kind, `${argv}: ${error.stack}`);
          assert.match(error.message, message);
          assert.ok(!error.message.includes('\n'));
          return true;
        },
        `${command} ${argv}`,
      );
    }
  }
  assert.deepEqual(readdirSync(dir).sort(), ['data', 'letter']);
});

/** A store of some megabytes, running. */
async function filled(t: TestContext) {
  const etcd = await startOurEtcd();
  t.after(() => etcd.stop());
  await withClient(etcd.endpoint, async (client) => {
    for (let i = 0; i < 8; i++) await client.put({ key: Buffer.from(`k${i}`), value: Buffer.alloc(1_000_000, i) });
  });
  return etcd;
}

async function run(...argv: string[]) {
  const child = spawn(process.execPath, [entry, 'store', ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr] = [child.stdout, child.stderr].map(async (stream) => (await stream.toArray()).join(''));
  const [code] = await once(child, 'exit');
  return { code, stdout: await stdout!, stderr: await stderr! };
}

test('store: what it tells: one line, or JSON, on standard output; nothing else in a pipe', async (t) => {
  const dir = directory(t);
  const etcd = await filled(t);
  const file = join(dir, 'a.db');
  const saved = await run('snapshot', 'save', file, '--endpoints', etcd.endpoint, '--output', 'json');
  assert.deepEqual([saved.code, saved.stderr], [0, '']);
  const { seconds, sizeBytes, ...told } = JSON.parse(saved.stdout);
  assert.deepEqual(told, { file, format: 'etcd', revision: 9 });
  assert.ok(sizeBytes > 8_000_000 && seconds > 0);
  const table = await run('snapshot', 'status', file, '--output', 'table');
  assert.match(
    table.stdout,
    /^\+-+\+-+\+-+\+-+\+\n\| +HASH +\| REVISION \| TOTAL KEYS \| TOTAL SIZE \|\n\+.*\n\| [0-9a-f]{8} \| +9 +\| +10 +\| +8\.\d MB +\|\n\+.*\n$/,
  );
  const restored = await run('snapshot', 'restore', file, '--data-dir', join(dir, 'b'), '-o=json');
  assert.equal(restored.code, 0);
  const { seconds: _, ...outcome } = JSON.parse(restored.stdout);
  const content = { rows: 8, bytes: 8_000_016, leases: 0 };
  assert.deepEqual(outcome, { directory: join(dir, 'b'), revision: 9, compactRevision: 0, ...content });
  const again = await run('snapshot', 'restore', file, '--data-dir', join(dir, 'b'));
  assert.equal(again.code, 1);
  assert.match(again.stderr, /^evenkeel store snapshot restore: .*b is not empty: move it away \(mv .*\)[^\n]*\n$/);
});

test('store: interrupted, or the server gone: nothing is left behind', async (t) => {
  const dir = directory(t);
  const etcd = await filled(t);
  const file = join(dir, 'a.db');
  const argv = [file, '--endpoints', etcd.endpoint];
  await assert.rejects(save.run(argv, 'store', AbortSignal.abort()), /interrupted: nothing was changed/);
  assert.deepEqual(readdirSync(dir), []);
  await save.run(argv, 'store', new AbortController().signal);
  for (const interrupted of [
    ['--from', file, '--to', 'etcd-snapshot', '--output', join(dir, 'b.db')],
    ['--from', file, '--to', 'embedded', '--output', join(dir, 'c')],
  ]) {
    await assert.rejects(migrate.run(interrupted, 'store', AbortSignal.abort()), /interrupted: nothing was changed/);
  }
  const nobody = `127.0.0.1:${await freePort()}`;
  await assert.rejects(
    save.run([join(dir, 'd.db'), '--endpoints', nobody], 'store', AbortSignal.timeout(30_000)),
    /no snapshot from http:\/\/127.0.0.1:\d+: .*; see that it runs/,
  );
  assert.deepEqual(readdirSync(dir), ['a.db']);
});
