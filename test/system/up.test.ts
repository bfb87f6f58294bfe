/** `evenkeel up`, `status` and `down`: as a person and as a script use them, with right and with wrong input. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ControlPlane, evenkeel, freePort, temporaryDirectory, until } from './control-plane.ts';

const small = ['--masters', '1', '--nodes', '1'];
const directories: string[] = [];
after(() => directories.forEach((d) => void rmSync(d, { recursive: true, force: true })));
function directory(): string {
  const path = temporaryDirectory();
  directories.push(path);
  return join(path, 'data');
}

/** One line, naming the thing and the remedy; exit status 1 (2: wrong use). */
async function assertRefused(args: string[], text: RegExp, code = 1): Promise<void> {
  const outcome = await evenkeel(args);
  assert.equal(outcome.code, code, outcome.stderr);
  assert.match(outcome.stderr, text);
  assert.equal(outcome.stderr.trim().split('\n').length, 1, `one line, not: ${outcome.stderr}`);
}

test('up: two control planes side by side: separate, and continue on their data', async (t) => {
  const starts = [1, 2].map(() => ControlPlane.start(small, directory()));
  // Both, also when one of them fails: what did start must be ended.
  t.after(async () => {
    for (const start of await Promise.allSettled(starts)) if (start.status === 'fulfilled') await start.value.destroy();
  });
  const [first, second] = (await Promise.all(starts)) as [ControlPlane, ControlPlane];
  await first.kubectlOk('create', 'cm', 'mine');
  assert.match((await second.kubectl('get', 'cm', 'mine')).stderr, /NotFound/);
  await second.kubectlOk('create', 'cm', 'kept');
  assert.equal(await second.stop(), 0);
  const again = await ControlPlane.start([], second.dataDir, second.port);
  t.after(() => again.destroy());
  await again.kubectlOk('get', 'cm', 'kept');
  assert.equal(again.masters.length, 1);
});

test('up --detach, status, down: leave nothing running', async () => {
  const dataDir = directory();
  const port = String(await freePort());
  const up = await evenkeel(['up', '--detach', '--data-dir', dataDir, '--port', port, ...small]);
  assert.equal(up.code, 0, up.stderr);
  assert.match(up.stdout, /export KUBECONFIG=/);
  const status = await evenkeel(['status', '--data-dir', dataDir, '-o', 'json']);
  assert.equal(status.code, 0, status.stderr);
  const parsed = JSON.parse(status.stdout);
  assert.equal(parsed.running, true);
  assert.equal(parsed.leaders.scheduler, 'master1');
  assert.equal(parsed.masters[0].apiserver, 'ready');
  await assertRefused(['up', '--data-dir', dataDir], /already runs in .* stop it with evenkeel down/);
  await assertRefused(['up', '--detach', '--data-dir', dataDir], /already runs in .* stop it with evenkeel down/);
  const down = await evenkeel(['down', '--data-dir', dataDir]);
  assert.equal(down.code, 0, down.stderr);
  assert.deepEqual(processesOf(dataDir), []);
  assert.equal((await evenkeel(['status', '--data-dir', dataDir])).code, 3);
  assert.match((await evenkeel(['down', '--data-dir', dataDir])).stdout, /nothing was running/);
});

test('up: killed with -9: the next up takes over what runs, or down ends it', async () => {
  const plane = await ControlPlane.start(small, directory());
  const apiserver = plane.pidOf('kube-apiserver-master1');
  await kill9(plane);
  const status = await evenkeel(['status', '--data-dir', plane.dataDir]);
  assert.equal(status.code, 3);
  assert.match(status.stdout, /nobody looks after it: evenkeel up takes it over, evenkeel down ends it/);
  const again = await ControlPlane.start([], plane.dataDir, plane.port);
  assert.equal(again.pidOf('kube-apiserver-master1'), apiserver, 'adopted, not restarted');
  await again.kubectlOk('get', 'nodes');
  await kill9(again);
  for (const name of ['etcd', 'kubelet-master1']) process.kill(again.pidOf(name)!, 'SIGKILL');
  const down = await evenkeel(['down', '--data-dir', plane.dataDir]);
  assert.match(down.stdout, /^stopped/);
  assert.deepEqual(processesOf(plane.dataDir), []);
});

test('up: fewer masters and nodes than before: their Node objects go too', async () => {
  const plane = await ControlPlane.start(['--masters', '2', '--nodes', '2'], directory());
  assert.match(await plane.kubectlOk('get', 'nodes', '-o', 'name'), /master2/);
  await plane.stop();
  const smaller = await ControlPlane.start(small, plane.dataDir, plane.port);
  try {
    const nodes = await smaller.kubectlOk('get', 'nodes', '-o', 'name');
    assert.deepEqual(nodes.trim().split('\n').sort(), ['node/master1', 'node/node1']);
  } finally {
    await smaller.destroy();
  }
});

test('up: its terminal is closed, or Ctrl-C twice: nothing is left running', async () => {
  const plane = await ControlPlane.start(small, directory());
  process.kill(plane.pid, 'SIGHUP');
  await until('all has ended', () => processesOf(plane.dataDir).length === 0 && !existsSync(`/proc/${plane.pid}`));
  const again = await ControlPlane.start([], plane.dataDir, plane.port);
  process.kill(again.pid, 'SIGINT');
  // While it stops; when that was too fast, there is nobody to send to.
  await new Promise((resolve) => setTimeout(resolve, 20));
  if (existsSync(`/proc/${again.pid}`)) process.kill(again.pid, 'SIGINT');
  await until('all has ended', () => processesOf(plane.dataDir).length === 0);
});

test('up: several at once on one directory: one runs, the others say so', async () => {
  const dataDir = directory();
  const port = String(await freePort());
  const command = ['up', '--detach', '--data-dir', dataDir, '--port', port, '--masters', '1', '--nodes', '0'];
  const outcomes = await Promise.all([1, 2, 3].map(() => evenkeel(command)));
  await evenkeel(['down', '--data-dir', dataDir]);
  assert.deepEqual(outcomes.map((o) => o.code).sort(), [0, 1, 1]);
  for (const { code, stderr } of outcomes) if (code === 1) assert.match(stderr, /a control plane already runs in/);
  assert.deepEqual(processesOf(dataDir), []);
});

test('up: private keys: nobody else may read them', async () => {
  const plane = await ControlPlane.start(small, directory());
  try {
    const secrets = readdirSync(plane.dataDir, { recursive: true, encoding: 'utf8' }).filter((f) =>
      /\.key$|kubeconfig/.test(f),
    );
    assert.ok(secrets.length > 10);
    for (const file of secrets) {
      const stat = statSync(join(plane.dataDir, file));
      if (stat.isFile()) assert.equal(stat.mode & 0o077, 0, file);
    }
  } finally {
    await plane.destroy();
  }
});

test('up: bad input: one line with the remedy, and nothing half-started', async () => {
  const dataDir = directory();
  await assertRefused(['up', '--mastres', '1'], /unknown flag: --mastres; did you mean --masters\?/, 2);
  await assertRefused(['up', '--masters', '0'], /--masters takes 1 to 9, not 0/, 2);
  await assertRefused(['up', 'please'], /unexpected argument "please"/, 2);
  await assertRefused(['uup'], /unknown command "uup": see evenkeel --help/, 2);
  await assertRefused(['status', '--data-dir', dataDir], /there is no control plane in .*: start one with evenkeel up/);

  const port = await freePort();
  const server = createServer().listen(port, '127.0.0.1');
  await assertRefused(
    ['up', '--data-dir', dataDir, '--port', String(port)],
    new RegExp(`port ${port} .* is in use: .*--port`),
  );
  server.close();
  assert.deepEqual(processesOf(dataDir), []);
});

test('up: a data directory that is not ours: refused, and left as it was', async () => {
  const foreign = directory();
  mkdirSync(foreign, { recursive: true });
  writeFileSync(join(foreign, 'thesis.txt'), 'years of work');
  await assertRefused(['up', '--data-dir', foreign], /holds something else than a control plane/);
  assert.deepEqual(readdirSync(foreign), ['thesis.txt']);

  // Only root can give a directory away.
  if (process.getuid?.() === 0) {
    const others = directory();
    mkdirSync(others, { recursive: true });
    chownSync(others, 12_345, 12_345);
    await assertRefused(
      ['up', '--data-dir', others],
      /belongs to another user \(uid 12345\): choose another with --data-dir/,
    );
    assert.deepEqual(readdirSync(others), []);
  }

  const newer = directory();
  mkdirSync(newer, { recursive: true });
  const state = JSON.stringify({ formatVersion: 99, spec: {} });
  writeFileSync(join(newer, 'controlplane.json'), state);
  await assertRefused(['up', '--data-dir', newer], /written by a newer evenkeel/);
  assert.equal(readFileSync(join(newer, 'controlplane.json'), 'utf8'), state);

  const damaged = directory();
  mkdirSync(damaged, { recursive: true });
  writeFileSync(join(damaged, 'controlplane.json'), '{"formatVersion":');
  await assertRefused(['up', '--data-dir', damaged], /cannot be read/);
  chmodSync(damaged, 0o700);
});

async function kill9(plane: ControlPlane): Promise<void> {
  process.kill(plane.pid, 'SIGKILL');
  await until('up is gone', () => !existsSync(`/proc/${plane.pid}`));
}

/** Processes whose command line names the directory. */
function processesOf(dataDir: string): string[] {
  return readdirSync('/proc')
    .filter((p) => /^\d+$/.test(p))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ');
      } catch {
        return '';
      }
    })
    .filter((command) => command.includes(`${dataDir}/`));
}
