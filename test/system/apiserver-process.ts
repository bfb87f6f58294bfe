/** One `evenkeel apiserver` in front of any etcd, for tests that break the etcd. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '#base/testing/free-port.ts';
import { ended } from '../etcd-processes.ts';
import { evenkeelCommand, until } from './control-plane.ts';

export class ApiServerProcess {
  readonly port: number;
  readonly #healthPort: number;
  readonly #directory: string;
  readonly #child: ChildProcess;
  /** All it logged. */
  log = '';

  private constructor(directory: string, port: number, healthPort: number, child: ChildProcess) {
    this.#directory = directory;
    this.port = port;
    this.#healthPort = healthPort;
    this.#child = child;
    child.stderr!.setEncoding('utf8').on('data', (piece: string) => {
      this.log += piece;
    });
  }

  /** Resolves once it is ready. */
  static async start(etcdFlags: readonly string[]): Promise<ApiServerProcess> {
    const directory = mkdtempSync(join(tmpdir(), 'evenkeel-apiserver-'));
    writeFileSync(join(directory, 'tokens.csv'), 'admintoken,admin,admin,"system:masters"\n');
    const [port, healthPort] = [await freePort(), await freePort()];
    const [file, ...args] = evenkeelCommand;
    const child = spawn(
      file!,
      [
        ...args,
        'apiserver',
        ...etcdFlags,
        '--bind-address=127.0.0.1',
        `--secure-port=${port}`,
        `--health-port=${healthPort}`,
        `--cert-dir=${directory}`,
        `--token-auth-file=${join(directory, 'tokens.csv')}`,
        '--authorization-mode=RBAC',
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    const server = new ApiServerProcess(directory, port, healthPort, child);
    try {
      await until('the API server is ready', () => server.isReady());
    } catch (error) {
      await server.stop();
      throw new Error(server.log, { cause: error });
    }
    return server;
  }

  async isReady(): Promise<boolean> {
    return (await fetch(`http://127.0.0.1:${this.#healthPort}/readyz`)).status === 200;
  }

  /** The endpoint that its client uses; undefined: the first it was given. */
  endpointInUse(client?: 'reads'): string | undefined {
    const lines = this.log.split('\n').filter((line) => line.includes('etcd endpoint chosen'));
    const chosen = lines.map((line) => JSON.parse(line)).filter((entry) => entry.client === client);
    return chosen.at(-1)?.endpoint;
  }

  async stop(): Promise<void> {
    await ended(this.#child, 'SIGKILL');
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
