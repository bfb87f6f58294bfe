/** An API server as a child process, for tests that change what is behind it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { silentLogger } from '#base/log.ts';
import { freePort } from '#base/testing/free-port.ts';
import type { ApiClient } from '#client/client.ts';
import { createClient } from '#client/rest.ts';
import { realClock } from '#os/real-clock.ts';
import { ended } from './etcd-processes.ts';

export interface RunningApiServer {
  client: ApiClient;
  child: ChildProcess;
  end(): Promise<void>;
}

const entry = join(import.meta.dirname, '..', 'bin', 'evenkeel.ts');

export async function startApiServerProcess(
  t: TestContext,
  storeUrl: string,
  flags: readonly string[] = [],
): Promise<RunningApiServer> {
  const dir = mkdtempSync(join(tmpdir(), 'evenkeel-apiserver-'));
  writeFileSync(join(dir, 'tokens.csv'), 'admintoken,admin,admin,"system:masters"\n');
  const [secure, health] = [await freePort(), await freePort()];
  const child = spawn(
    process.execPath,
    [
      entry,
      'apiserver',
      `--etcd-servers=${storeUrl}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${secure}`,
      '--health-bind-address=127.0.0.1',
      `--health-port=${health}`,
      `--cert-dir=${dir}`,
      `--token-auth-file=${join(dir, 'tokens.csv')}`,
      '--authorization-mode=RBAC',
      '--service-cluster-ip-range=10.7.0.0/26',
      ...flags,
    ],
    { stdio: 'ignore' },
  );
  const client = createClient(
    { server: `https://127.0.0.1:${secure}`, token: 'admintoken', insecureSkipVerify: true },
    { clock: realClock, log: silentLogger, userAgent: 'test' },
  );
  const end = async () => {
    client.close();
    await ended(child, 'SIGTERM');
  };
  t.after(async () => {
    client.close();
    await ended(child, 'SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });
  await eventually(`the API server on port ${secure} is ready`, async () => {
    return (await fetch(`http://127.0.0.1:${health}/readyz`)).status === 200;
  });
  return { client, child, end };
}

/** Asks until it is so; a failure counts as not yet. */
export async function eventually(what: string, isTrue: () => Promise<boolean>, boundMs = 30_000): Promise<void> {
  const until = performance.now() + boundMs;
  let last: unknown;
  while (performance.now() < until) {
    try {
      if (await isTrue()) return;
      last = undefined;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`it did not come to be that ${what}`, { cause: last });
}
