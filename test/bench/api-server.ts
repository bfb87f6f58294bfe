/** One store and one API server with a token for its admin, for benchmarks and tests that need no whole control plane. */
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { evenkeelCommand, freePort, temporaryDirectory, until } from '../system/control-plane.ts';

export const token = 'admintoken';

export interface Started {
  port: number;
  pid: number;
  /** From the start of the process to the first 200 of /readyz. */
  readyMs: number;
  directory: string;
  stop(): Promise<void>;
}

export interface StartedStore {
  url: string;
  directory: string;
  stop(): Promise<void>;
}

export async function startStore(): Promise<StartedStore> {
  const directory = temporaryDirectory();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const store = run([
    'etcd',
    `--data-dir=${join(directory, 'etcd')}`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
  ]);
  await until('the store listens', () => isListening(port));
  return {
    url,
    directory,
    stop: async () => {
      await end(store);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** `flags` come last and win. */
export async function startApiServer(flags: readonly string[] = []): Promise<Started> {
  const store = await startStore();
  const { directory } = store;
  const port = await freePort();
  writeFileSync(join(directory, 'tokens.csv'), `${token},admin,admin,"system:masters"\n`);
  const startedAt = performance.now();
  const server = run([
    'apiserver',
    `--etcd-servers=${store.url}`,
    `--cert-dir=${join(directory, 'certs')}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    '--health-port=0',
    `--token-auth-file=${join(directory, 'tokens.csv')}`,
    '--authorization-mode=Node,RBAC',
    '--service-cluster-ip-range=10.0.0.0/24',
    '--service-account-issuer=https://kubernetes.default.svc',
    ...serviceAccountKeys(directory),
    ...flags,
  ]);
  const readyMs = await readyAt(port, server, startedAt);
  return {
    port,
    pid: server.pid!,
    readyMs,
    directory,
    stop: async () => {
      await end(server);
      await store.stop();
    },
  };
}

function serviceAccountKeys(directory: string): string[] {
  const { privateKey, publicKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  writeFileSync(join(directory, 'sa.key'), privateKey, { mode: 0o600 });
  writeFileSync(join(directory, 'sa.pub'), publicKey);
  return [
    `--service-account-signing-key-file=${join(directory, 'sa.key')}`,
    `--service-account-key-file=${join(directory, 'sa.pub')}`,
  ];
}

function run(args: readonly string[]): ChildProcess {
  const command = [...evenkeelCommand, ...args];
  return spawn(command[0]!, command.slice(1), {
    stdio: ['ignore', 'ignore', process.env['EVENKEEL_TEST_LOGS'] ? 'inherit' : 'ignore'],
  });
}

async function readyAt(port: number, server: ChildProcess, startedAt: number): Promise<number> {
  for (;;) {
    if (server.exitCode !== null)
      throw new Error(`the API server ended with status ${server.exitCode}: set EVENKEEL_TEST_LOGS=1 to see why`);
    const ms = performance.now() - startedAt;
    if (await isReady(port)) return performance.now() - startedAt;
    if (ms > 30_000) throw new Error('the API server was not ready within 30 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const req = request(
      { host: '127.0.0.1', port, path: '/readyz', rejectUnauthorized: false, agent: false, timeout: 1000 },
      (res) => {
        res.resume();
        resolve(res.statusCode === 200);
      },
    );
    req.on('error', () => resolve(false));
    req.on('timeout', () => req.destroy());
    req.end();
  });
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
  await ended;
  clearTimeout(timer);
}
