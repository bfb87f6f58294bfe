/**
 * A real `evenkeel up` in a temporary directory, on a free port, and the real kubectl and helm to drive it. Everything
 * it started is gone when the test file ends, also when the test failed.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export const root = join(import.meta.dirname, '..', '..');
export const kubectlPath = join(root, '.cache', 'bin', 'kubectl');
export const helmPath = join(root, '.cache', 'bin', 'helm');
const entry = existsSync(join(root, 'dist/bin/evenkeel.js'))
  ? join(root, 'dist/bin/evenkeel.js')
  : join(root, 'bin/evenkeel.ts');
export const evenkeelCommand: readonly string[] = [process.execPath, entry];

const run = promisify(execFile);

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end, at most `timeoutMs`; never throws for its exit status. */
export async function execute(
  command: readonly string[],
  env: NodeJS.ProcessEnv = {},
  timeoutMs = 60_000,
  input?: string,
): Promise<Outcome> {
  const promise = run(command[0]!, command.slice(1), {
    env: { ...process.env, ...env },
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    maxBuffer: 64 << 20,
  });
  if (input !== undefined) promise.child.stdin?.end(input);
  try {
    return { code: 0, ...(await promise) };
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: number; stdout?: string; stderr?: string };
    return { code: typeof code === 'number' ? code : -1, stdout, stderr };
  }
}

/** Runs `evenkeel …` to its end. */
export function evenkeel(args: readonly string[], timeoutMs = 90_000): Promise<Outcome> {
  return execute([...evenkeelCommand, ...args], {}, timeoutMs);
}

/** A port that is free on 127.0.0.1 and on the masters' addresses. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    // Beside the range `up` searches, and below where the kernel takes ports for outgoing connections.
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const hosts = ['127.0.0.1', '127.0.1.1', '127.0.1.2', '127.0.1.3'];
    const isFree = await Promise.all(
      hosts.map(
        (host) =>
          new Promise<boolean>((resolve) => {
            const server = createServer();
            server.once('error', () => resolve(false));
            server.listen(port, host, () => server.close(() => resolve(true)));
          }),
      ),
    );
    if (isFree.every(Boolean)) return port;
  }
  throw new Error('no free port found');
}

export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'evenkeel-test-'));
}

/** Waits until `condition` gives something truthy; fails with `what` after `timeoutMs`. */
export async function until<T>(
  what: string,
  condition: () => Promise<T> | T,
  timeoutMs = 30_000,
): Promise<NonNullable<T>> {
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const result = await condition();
      if (result) return result as NonNullable<T>;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) assert.fail(`never within ${timeoutMs} ms: ${what}${last ? ` (${last})` : ''}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export interface Master {
  name: string;
  address: string;
}

export class ControlPlane {
  readonly dataDir: string;
  readonly port: number;
  readonly kubeconfig: string;
  masters: Master[] = [];
  #up: ChildProcess;

  private constructor(dataDir: string, port: number, up: ChildProcess) {
    this.dataDir = dataDir;
    this.port = port;
    this.kubeconfig = join(dataDir, 'kubeconfig');
    this.#up = up;
  }

  /** Resolves once `up` says that it is up. */
  static async start(
    args: readonly string[] = [],
    dataDir = join(temporaryDirectory(), 'data'),
    port?: number,
  ): Promise<ControlPlane> {
    const chosen = port ?? (await freePort());
    const command = [
      ...evenkeelCommand,
      'up',
      '--data-dir',
      dataDir,
      '--port',
      String(chosen),
      '--output',
      'json',
      ...args,
    ];
    const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
    const plane = new ControlPlane(dataDir, chosen, child);
    let stdout = '';
    let stderr = '';
    child.stderr!.on('data', (chunk) => {
      stderr += chunk;
    });
    await new Promise<void>((resolve, reject) => {
      child.stdout!.on('data', (chunk) => {
        stdout += chunk;
        if (stdout.includes('\n')) resolve();
      });
      child.on('exit', (code) =>
        reject(new Error(`evenkeel up ended with status ${code}: ${stderr}\n${plane.logs()}`)),
      );
    });
    plane.masters = JSON.parse(stdout).masters;
    return plane;
  }

  get pid(): number {
    return this.#up.pid!;
  }

  /** Ctrl-C, and waits for the end. Gives the exit status. */
  async stop(): Promise<number | null> {
    if (this.#up.exitCode !== null) return this.#up.exitCode;
    const ended = new Promise<number | null>((resolve) => this.#up.once('exit', resolve));
    this.#up.kill('SIGINT');
    return ended;
  }

  async destroy(): Promise<void> {
    await this.stop();
    await evenkeel(['down', '--data-dir', this.dataDir]);
    if (!process.env['EVENKEEL_KEEP_TEST_DATA']) rmSync(this.dataDir, { recursive: true, force: true });
  }

  kubectl(...args: string[]): Promise<Outcome> {
    return execute([kubectlPath, ...args], { KUBECONFIG: this.kubeconfig });
  }

  /** Fails the test unless kubectl succeeds; gives what it printed. */
  async kubectlOk(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.kubectl(...args);
    assert.equal(code, 0, `kubectl ${args.join(' ')}: ${stderr || stdout}`);
    return stdout;
  }

  async applyOk(manifest: object | string, ...args: string[]): Promise<string> {
    const text = typeof manifest === 'string' ? manifest : JSON.stringify(manifest);
    const { code, stdout, stderr } = await execute(
      [kubectlPath, 'apply', '-f', '-', ...args],
      { KUBECONFIG: this.kubeconfig },
      60_000,
      text,
    );
    assert.equal(code, 0, `kubectl apply: ${stderr || stdout}`);
    return stdout;
  }

  helm(...args: string[]): Promise<Outcome> {
    const home = join(this.dataDir, 'helm');
    return execute([helmPath, ...args], {
      KUBECONFIG: this.kubeconfig,
      HELM_CACHE_HOME: home,
      HELM_CONFIG_HOME: home,
      HELM_DATA_HOME: home,
    });
  }

  /** The pid of a process of this control plane: `etcd`, a member `etcd1`, `kubelet-master1`, `kube-apiserver-master1`, `kube-lb-master1`. */
  pidOf(name: string): number | undefined {
    const [, component, master] = /^(.+)-(master\d+)$/.exec(name) ?? [];
    for (const pid of readdirSync('/proc').filter((p) => /^\d+$/.test(p))) {
      let args: string[];
      try {
        args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      } catch {
        continue;
      }
      if (!args.some((a) => a.includes(this.dataDir)) && !args.includes(`--listen=127.0.0.1:${this.port}`)) continue;
      if (this.#matches(args, component ?? name, master)) return Number(pid);
    }
    return undefined;
  }

  #matches(args: readonly string[], component: string, master: string | undefined): boolean {
    const command = args[args.findIndex((a) => /\/evenkeel\.[jt]s$/.test(a)) + 1];
    const has = (text: string) => args.some((a) => a.includes(text));
    if (/^etcd\d$/.test(component)) return args.includes(`--name=${component}`);
    switch (component) {
      case 'etcd':
        return command === 'etcd';
      case 'kubelet':
        return command === 'kubelet' && has(`--hostname-override=${master}`);
      case 'kube-apiserver':
        return command === 'apiserver' && has(`/${master}/apiserver.crt`);
      case 'kube-scheduler':
        return command === 'scheduler' && has(`--node-name=${master}`);
      case 'kube-controller-manager':
        return command === 'controller-manager' && has(`--node-name=${master}`);
      case 'kube-lb':
        return command === 'lb';
      case 'kube-nodes':
        return command === 'kubelet' && has('--simulated-nodes');
      default:
        throw new Error(`no component ${component}`);
    }
  }

  /** The last lines of every log: for the message of a failed start. */
  logs(): string {
    const directory = join(this.dataDir, 'logs');
    if (!existsSync(directory)) return '';
    return readdirSync(directory)
      .map((file) => `--- ${file}\n${readFileSync(join(directory, file), 'utf8').split('\n').slice(-8).join('\n')}`)
      .join('\n');
  }
}
