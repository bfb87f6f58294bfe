/** Servers of etcd's API as child processes, for tests. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '#base/testing/free-port.ts';
import type { RunningEtcd } from './etcd-suite.ts';

export async function startRealEtcd(flags: readonly string[] = []): Promise<RunningEtcd> {
  const dataDir = mkdtempSync(join(tmpdir(), 'etcd-'));
  const endpoint = `http://127.0.0.1:${await freePort()}`;
  const peer = `http://127.0.0.1:${await freePort()}`;
  const child = spawn(
    '/usr/bin/etcd',
    [
      `--data-dir=${dataDir}`,
      `--listen-client-urls=${endpoint}`,
      `--advertise-client-urls=${endpoint}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
      ...flags,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  await output(child, /ready to serve client requests/);
  return {
    endpoint,
    async stop() {
      await ended(child, 'SIGKILL');
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** False when real etcd is not there; with CI=true that is an error. */
export function isRealEtcdInstalled(): boolean {
  const isInstalled = spawnSync('/usr/bin/etcd', ['--version'], { stdio: 'ignore' }).status === 0;
  if (!isInstalled && process.env['CI'] === 'true') throw new Error('real etcd is missing: install etcd-server');
  return isInstalled;
}

/** Waits for a line on standard error; rejects with all of it when the process ends first or is too slow. */
export function output(child: ChildProcess, pattern: RegExp, withinMs = 15_000): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const fail = (why: string) => () => reject(new Error(`${why} before ${pattern}:\n${text}`));
    const timer = setTimeout(fail('too slow'), withinMs);
    const onExit = fail('ended');
    child.once('exit', onExit);
    child.stderr!.setEncoding('utf8');
    child.stderr!.on('data', (piece: string) => {
      if (text.length < 1_000_000) text += piece;
      if (!pattern.test(text)) return;
      clearTimeout(timer);
      child.off('exit', onExit);
      resolve(text);
    });
  });
}

export async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
  }
  return child.exitCode;
}

export interface OurEtcd extends RunningEtcd {
  dataDir: string;
  child: ChildProcess;
  /** Ends it with this signal and leaves the data; the exit status. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

const evenkeel = join(import.meta.dirname, '..', 'bin', 'evenkeel.ts');

/** Our store; `dataDir` absent: a new one, removed by stop(). */
export async function startOurEtcd(
  flags: readonly string[] = [],
  dataDir?: string,
  readyMs?: number,
): Promise<OurEtcd> {
  const dir = dataDir ?? mkdtempSync(join(tmpdir(), 'evenkeel-etcd-'));
  const url = flags.some((flag) => flag.startsWith('--listen-client-urls'))
    ? []
    : ['--listen-client-urls=http://127.0.0.1:0'];
  const child = spawnOurEtcd([`--data-dir=${dir}`, ...url, ...flags]);
  const log = await output(child, /"msg":"ready to serve client requests"/, readyMs);
  const ready = log.split('\n').find((line) => line.includes('ready to serve'))!;
  return {
    endpoint: JSON.parse(ready).clientUrls[0],
    dataDir: dir,
    child,
    end: (signal) => ended(child, signal),
    async stop() {
      await ended(child, 'SIGKILL');
      if (!dataDir) rmSync(dir, { recursive: true, force: true });
    },
  };
}

export function spawnOurEtcd(flags: readonly string[]): ChildProcess {
  return spawn(process.execPath, [evenkeel, 'etcd', ...flags], { stdio: ['ignore', 'ignore', 'pipe'] });
}
