/** Debian's etcd and etcdctl on a snapshot, and the command that makes one, for tests. */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { freePort } from '#base/testing/free-port.ts';
import { ended, output } from './etcd-processes.ts';

const isMissing = ['/usr/bin/etcd', '/usr/bin/etcdctl'].some((program) => {
  try {
    execFileSync(program, ['--help'], { stdio: 'ignore', env: { ...process.env, ETCDCTL_API: '3' } });
    return false;
  } catch {
    return true;
  }
});
if (isMissing && process.env['CI'] === 'true') throw new Error('install etcd-server and etcd-client');
export const skip = isMissing && 'real etcd is not installed (Debian: etcd-server, etcd-client)';

const entry = join(import.meta.dirname, '..', 'bin', 'evenkeel.ts');
const run = promisify(execFile);
/** `evenkeel store …`: what it prints. */
export const store = async (...args: string[]) => (await run(process.execPath, [entry, 'store', ...args])).stdout;
export const etcdctl = async (...args: string[]) =>
  (await run('/usr/bin/etcdctl', args, { env: { ...process.env, ETCDCTL_API: '3' }, timeout: 60_000 })).stdout;

export function directory(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'evenkeel-migrate-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export interface Member {
  endpoint: string;
  dataDir: string;
  child: ChildProcess;
}

/** Restores the snapshot for every member with etcdctl, and starts them all. */
export async function restored(
  t: TestContext,
  dir: string,
  snapshot: string,
  names: readonly string[],
): Promise<Member[]> {
  const peers = await Promise.all(names.map(async () => `http://127.0.0.1:${await freePort()}`));
  const cluster = names.map((name, i) => `${name}=${peers[i]}`).join(',');
  const starting = names.map(async (name, i) => {
    const dataDir = join(dir, name);
    const common = [`--name=${name}`, `--data-dir=${dataDir}`, `--initial-cluster=${cluster}`];
    const advertised = `--initial-advertise-peer-urls=${peers[i]}`;
    await etcdctl('snapshot', 'restore', snapshot, ...common, advertised);
    const endpoint = `http://127.0.0.1:${await freePort()}`;
    const urls = [`--listen-client-urls=${endpoint}`, `--advertise-client-urls=${endpoint}`];
    const args = [...common, advertised, ...urls, `--listen-peer-urls=${peers[i]}`];
    const child = spawn('/usr/bin/etcd', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    t.after(() => ended(child, 'SIGKILL'));
    await output(child, /ready to serve client requests/, 30_000);
    return { endpoint, dataDir, child };
  });
  return Promise.all(starting);
}
