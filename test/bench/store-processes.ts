/** The two stores that are compared, each on a fresh directory of the same disk: real etcd, and ours from the bundle. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '#base/testing/free-port.ts';
import { output } from '../etcd-processes.ts';
import { evenkeelCommand } from '../system/control-plane.ts';

export interface BenchStore {
  port: number;
  pid: number;
  stop(): Promise<void>;
}

export interface Pair {
  ours: BenchStore;
  etcd: BenchStore;
}

const etcdPath = '/usr/bin/etcd';

export function isEtcdInstalled(): boolean {
  try {
    execFileSync(etcdPath, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export async function startPair(): Promise<Pair> {
  const ours = await start((dir, client) => [...evenkeelCommand, 'etcd', ...clientFlags(dir, client)]);
  const peer = `http://127.0.0.1:${await freePort()}`;
  const etcd = await start((dir, client) => [
    etcdPath,
    ...clientFlags(dir, client),
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
  ]);
  return { ours, etcd };
}

export async function stopPair({ ours, etcd }: Pair): Promise<void> {
  await Promise.all([ours.stop(), etcd.stop()]);
}

const clientFlags = (dir: string, client: string) => [
  `--data-dir=${dir}`,
  `--listen-client-urls=${client}`,
  `--advertise-client-urls=${client}`,
];

const tmpfsMagic = 0x01021994;

/** A file system in memory would make every sync free. */
function diskDirectory(): string {
  const dir = tmpdir();
  return statfsSync(dir).type === tmpfsMagic ? '/var/tmp' : dir;
}

async function start(command: (dir: string, client: string) => readonly string[]): Promise<BenchStore> {
  const dir = mkdtempSync(join(diskDirectory(), 'store-bench-'));
  const port = await freePort();
  const [file, ...args] = command(join(dir, 'data'), `http://127.0.0.1:${port}`);
  const child: ChildProcess = spawn(file!, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  await output(child, /ready to serve client requests/);
  return {
    port,
    pid: child.pid!,
    async stop() {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
