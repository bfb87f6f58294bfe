/**
 * Fidelity: the recorded answers of kube-apiserver, where they are at hand (`../shared/golden`), played against one API
 * server of ours over a fresh store. The score by area is printed; it may rise, and never falls under golden-score.json.
 * Some steps wait for something with a time-out, which a busy machine can outlast: an area that falls short is played
 * once more by itself, and must then reach its score.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..');
const player = process.env['EVENKEEL_GOLDEN'] ?? join(root, '..', 'shared', 'golden', 'play.ts');
const floor = JSON.parse(readFileSync(join(import.meta.dirname, 'golden-score.json'), 'utf8')) as Record<
  string,
  number
>;

const skip = existsSync(player) ? false : `no recorded answers at ${player}`;

test('golden: fidelity: as much as ever is answered as kube-apiserver does', { skip, timeout: 600_000 }, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'evenkeel-golden-'));
  const children: ChildProcess[] = [];
  t.after(async () => {
    await Promise.all(children.map(end));
    rmSync(dir, { recursive: true, force: true });
  });
  const [client, peer, secure, health] = await freePorts(4);

  const store = `http://127.0.0.1:${client}`;
  children.push(startStore(dir, store, `http://127.0.0.1:${peer}`));
  await until(() => answers(`${store}/health`), 'the store', children[0]!);

  children.push(startApiServer(dir, store, secure!, health!));
  await until(() => answers(`http://127.0.0.1:${health}/readyz`), 'the API server', children[1]!);

  const only = process.env['EVENKEEL_GOLDEN_ONLY'];
  const server = `https://127.0.0.1:${secure}`;
  const areas = await play(server, only);
  const short = areas.filter((a) => a.passed < (floor[a.area] ?? 0)).map((a) => a.area);
  if (only === undefined && short.length > 0) {
    t.diagnostic(`once more: ${short.join(', ')}`);
    for (const again of await play(server, short.join())) {
      const area = areas.find((a) => a.area === again.area && short.includes(a.area));
      if (area) area.passed = Math.max(area.passed, again.passed);
    }
  }
  const sum = (of: 'passed' | 'total') => areas.reduce((n, a) => n + a[of], 0);
  for (const { area, passed, total } of areas)
    t.diagnostic(`${area.padEnd(16)} ${String(passed).padStart(4)} / ${total}`);
  t.diagnostic(`golden score: ${sum('passed')} of ${sum('total')} steps`);
  if (only !== undefined) return;
  const fallen = areas.filter((a) => a.passed < (floor[a.area] ?? 0));
  assert.deepEqual(
    fallen.map((a) => `${a.area}: ${a.passed}, it was ${floor[a.area]} before`),
    [],
  );
  const missing = Object.keys(floor).filter((name) => !areas.some((a) => a.area === name));
  assert.deepEqual(missing, [], 'areas that were not played');
});

/** Our own store if it is there, else etcd. */
function startStore(dir: string, url: string, peerUrl: string): ChildProcess {
  const data = join(dir, 'store');
  if (existsSync(join(root, 'bin', 'etcd.ts')))
    return node('etcd', '--data-dir', data, '--listen-client-urls', url, '--advertise-client-urls', url);
  const flags = ['--data-dir', data, '--listen-client-urls', url, '--advertise-client-urls', url];
  return spawn('etcd', [...flags, '--listen-peer-urls', peerUrl, '--log-level', 'error', '--unsafe-no-fsync'], {
    stdio: 'ignore',
  });
}

/** As the answers were recorded: their README says how. */
function startApiServer(dir: string, store: string, port: number, healthPort: number): ChildProcess {
  const tokens = join(dir, 'tokens.csv');
  const key = join(dir, 'sa.key');
  writeFileSync(tokens, 'admintoken,admin,admin,"system:masters"\n');
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  return node(
    'apiserver',
    `--etcd-servers=${store}`,
    `--cert-dir=${join(dir, 'certs')}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    `--health-port=${healthPort}`,
    `--token-auth-file=${tokens}`,
    '--authorization-mode=Node,RBAC',
    '--service-cluster-ip-range=10.0.0.0/24',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${key}`,
    `--service-account-signing-key-file=${key}`,
    '--allow-privileged=true',
  );
}

function node(...argv: string[]): ChildProcess {
  return spawn(process.execPath, [join(root, 'bin', 'evenkeel.ts'), ...argv], {
    stdio: ['ignore', 'ignore', 'ignore'],
  });
}

interface AreaScore {
  area: string;
  passed: number;
  total: number;
}

/** The player ends with a line for each area: `name  passed / total`. `only`: names of areas or scenarios. */
async function play(server: string, only: string | undefined): Promise<AreaScore[]> {
  const argv = [player, '--server', server, '--token', 'admintoken', '--insecure'];
  const child = spawn(process.execPath, only === undefined ? argv : [...argv, '--only', only], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let report = '';
  child.stdout!.on('data', (chunk) => {
    report += chunk;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  assert.equal(code, 0, `the player failed: ${report.slice(-500)}`);
  return [...report.matchAll(/^([a-z]+)\s+(\d+) \/ (\d+)$/gm)].map((m) => ({
    area: m[1]!,
    passed: Number(m[2]),
    total: Number(m[3]),
  }));
}

async function answers(url: string): Promise<boolean> {
  return fetch(url, { signal: AbortSignal.timeout(1000) }).then(
    (r) => r.ok,
    () => false,
  );
}

async function until(isTrue: () => Promise<boolean>, what: string, child: ChildProcess): Promise<void> {
  for (let i = 0; i < 300; i++) {
    if (await isTrue()) return;
    assert.equal(child.exitCode, null, `${what} ended with ${child.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(`${what} did not come up`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const kill = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await ended;
  clearTimeout(kill);
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((s) => new Promise((resolve) => s.once('listening', resolve))));
  const ports = servers.map((s) => (s.address() as AddressInfo).port);
  await Promise.all(servers.map((s) => new Promise((resolve) => s.close(resolve))));
  return ports;
}
