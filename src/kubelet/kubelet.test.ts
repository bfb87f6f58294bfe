import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startTimeOf } from '#os/process-identity.ts';
import { eventually, temporaryDirectory } from './testing/fixtures.ts';

const program = join(import.meta.dirname, '../../bin/evenkeel.ts');

/** A directory of manifests, and real kubelet processes over it. All that they start has ended when the test has. */
class Host {
  readonly manifests: string;
  readonly root: string;
  readonly #kubelets: ChildProcess[] = [];
  log = '';

  constructor(t: TestContext) {
    const directory = temporaryDirectory();
    this.manifests = join(directory, 'manifests');
    this.root = join(directory, 'root');
    mkdirSync(this.manifests);
    t.after(async () => {
      for (const kubelet of this.#kubelets) await this.kill(kubelet);
      for (const name of readdirSync(this.manifests)) rmSync(join(this.manifests, name));
      this.log = '';
      const last = this.start();
      await eventually(
        () => last.exitCode !== null || this.records().every((r) => r.pid === undefined),
        'all has ended',
      );
      await this.kill(last);
    });
  }

  start(flags: string[] = []): ChildProcess {
    const common = ['--pod-manifest-path', this.manifests, '--root-dir', this.root, '--hostname-override=m1'];
    const all = [program, 'kubelet', ...common, '--node-ip=127.0.0.1', '--healthz-port=0', ...flags];
    const kubelet = spawn(process.execPath, all, { stdio: ['ignore', 'ignore', 'pipe'] });
    kubelet.stderr.on('data', (chunk) => {
      this.log += chunk;
    });
    this.#kubelets.push(kubelet);
    return kubelet;
  }

  async stop(kubelet: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (kubelet.exitCode !== null || kubelet.signalCode !== null) return;
    const exited = once(kubelet, 'exit');
    kubelet.kill(signal);
    await exited;
  }

  kill(kubelet: ChildProcess): Promise<void> {
    return this.stop(kubelet, 'SIGKILL');
  }

  write(name: string, script: string, spec: object = {}, container: object = {}): void {
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name },
      spec: {
        terminationGracePeriodSeconds: 2,
        ...spec,
        containers: [{ name: 'main', command: ['sh', '-c', script], ...container }],
      },
    };
    writeFileSync(join(this.manifests, `.${name}.new`), JSON.stringify(pod));
    renameSync(join(this.manifests, `.${name}.new`), join(this.manifests, `${name}.yaml`));
  }

  remove(name: string): void {
    rmSync(join(this.manifests, `${name}.yaml`));
  }

  records(): { pid?: number; restartCount: number }[] {
    return files(this.root)
      .filter((f) => f.endsWith('.process.json'))
      .flatMap((f) => {
        try {
          return [JSON.parse(readFileSync(f, 'utf8'))];
        } catch {
          return [];
        }
      });
  }

  /** Of the one container that runs, other than `not`. */
  runningPid(not?: number): Promise<number> {
    return eventually(() => {
      const pid = this.records().find((r) => r.pid !== undefined)?.pid;
      return pid === not ? undefined : pid;
    }, `a container runs\n${this.log}`);
  }

  output(): string {
    return files(this.root)
      .filter((f) => f.endsWith('.log'))
      .map((f) => readFileSync(f, 'utf8'))
      .join('');
  }

  waitForOutput(pattern: RegExp): Promise<RegExpMatchArray> {
    return eventually(() => this.output().match(pattern), `${pattern} in the output: ${this.output()}\n${this.log}`);
  }

  waitForLog(pattern: RegExp): Promise<RegExpMatchArray> {
    return eventually(() => this.log.match(pattern), `${pattern} in the log: ${this.log}`);
  }
}

function files(directory: string): string[] {
  try {
    return readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((f) => join(directory, f));
  } catch {
    return [];
  }
}

const isGone = (pid: number) => startTimeOf(pid) === undefined;

test('kubelet: static pod: runs with its command, environment and directory, and is restarted', async (t) => {
  const host = new Host(t);
  host.write(
    'web',
    'echo "I am $ME in $PWD"; exec sleep 100',
    {},
    {
      workingDir: '/usr',
      env: [{ name: 'ME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
    },
  );
  host.start();
  await host.waitForOutput(/I am web-m1 in \/usr/);
  const pid = await host.runningPid();
  process.kill(pid, 'SIGKILL');
  const next = await host.runningPid(pid);
  assert.notEqual(next, pid);
  assert.equal(host.records()[0]!.restartCount, 1);
  await host.waitForOutput(/(I am web-m1 in \/usr\s*){2}/);
});

test('kubelet: static pod: what it leaves of its process group ends with it', async (t) => {
  const host = new Host(t);
  host.write('web', 'sleep 100 & echo "child $!"; wait');
  host.start();
  const child = Number((await host.waitForOutput(/child (\d+)/))[1]);
  process.kill(await host.runningPid(), 'SIGKILL');
  await eventually(() => isGone(child), 'the child is gone');
});

test('kubelet: manifests: added, edited and removed ones are followed', async (t) => {
  const host = new Host(t);
  host.start();
  await eventually(() => files(host.root).some((f) => f.endsWith('kubelet.pid')), 'the kubelet is up');
  host.write('web', 'echo first; exec sleep 100');
  await host.waitForOutput(/first/);
  const first = await host.runningPid();
  host.write('web', 'echo second; exec sleep 100');
  await host.waitForOutput(/second/);
  assert.ok(isGone(first), 'the old pod had ended before the new one began');
  const second = await host.runningPid(first);
  host.remove('web');
  await eventually(() => isGone(second), 'the removed pod is stopped');
});

test('kubelet: manifests: a process that ignores TERM is killed after its grace period', async (t) => {
  const host = new Host(t);
  host.write('stubborn', 'trap "" TERM; echo up; while :; do sleep 0.1; done', { terminationGracePeriodSeconds: 1 });
  host.start();
  await host.waitForOutput(/up/);
  const pid = await host.runningPid();
  host.remove('stubborn');
  await eventually(() => isGone(pid), 'it is gone');
  await host.waitForLog(/ended by signal 9/);
});

test('kubelet: manifests: a malformed one is named once and harms no other', async (t) => {
  const host = new Host(t);
  writeFileSync(join(host.manifests, 'bad.yaml'), 'kind: [');
  host.write('web', 'echo first; exec sleep 100');
  host.start();
  await host.waitForOutput(/first/);
  const pid = await host.runningPid();
  assert.equal(host.log.match(/malformed manifest/g)?.length, 1);
  assert.match(host.log, /"file":"[^"]*bad\.yaml","reason":"Flow sequence[^"]*"/);
  // Broken by an edit it keeps running; mended it is heeded.
  writeFileSync(join(host.manifests, 'web.yaml'), 'kind: [');
  await host.waitForLog(/web\.yaml.*malformed manifest: its pod keeps running/);
  assert.equal(isGone(pid), false);
  host.write('web', 'echo mended; exec sleep 100');
  await host.waitForOutput(/mended/);
  assert.ok(isGone(pid));
});

test('kubelet: kill -9: the successor adopts what runs and restarts what ended', async (t) => {
  const host = new Host(t);
  host.write('web', 'echo started; exec sleep 100');
  const first = host.start();
  await host.waitForOutput(/started/);
  const pid = await host.runningPid();
  await host.kill(first);
  assert.equal(isGone(pid), false);

  host.log = '';
  host.start();
  await host.waitForLog(/"containers":1,"strays":0,"msg":"took over"/);
  assert.equal(await host.runningPid(), pid);
  process.kill(pid, 'SIGKILL');
  const next = await host.runningPid(pid);
  assert.equal(host.records()[0]!.restartCount, 1);
  assert.equal(isGone(next), false);
});

test('kubelet: kill -9: pods whose manifest went or changed meanwhile are stopped, and none is orphaned', async (t) => {
  const host = new Host(t);
  host.write('gone', 'echo gone; exec sleep 100');
  host.write('edited', 'echo before; exec sleep 100');
  const first = host.start();
  await host.waitForOutput(/gone/);
  await host.waitForOutput(/before/);
  const pids = await eventually(() => {
    const found = host.records().map((r) => r.pid!);
    return found.length === 2 && found.every(Boolean) ? found : undefined;
  }, 'two containers');
  await host.kill(first);
  host.remove('gone');
  host.write('edited', 'echo after; exec sleep 100');
  host.start();
  await host.waitForOutput(/after/);
  await eventually(() => pids.every(isGone), 'both old processes are gone');
});

test('kubelet: kill -9: a process that no checkpoint knows is ended', {
  skip: process.platform !== 'linux',
}, async (t) => {
  const host = new Host(t);
  host.write('web', 'setsid sleep 100 & echo "escaped $!"; wait');
  const first = host.start();
  const escaped = Number((await host.waitForOutput(/escaped (\d+)/))[1]);
  const pid = await host.runningPid();
  await host.kill(first);
  process.kill(pid, 'SIGKILL');
  for (const file of files(host.root).filter((f) => f.endsWith('.process.json'))) rmSync(file);
  host.start();
  await eventually(() => isGone(escaped), 'the process that left its group is gone');
});

test('kubelet: kill -9: a malformed manifest does not stop what an earlier kubelet made of it', async (t) => {
  const host = new Host(t);
  host.write('web', 'echo up; exec sleep 100');
  const first = host.start();
  await host.waitForOutput(/up/);
  const pid = await host.runningPid();
  await host.kill(first);
  writeFileSync(join(host.manifests, 'web.yaml'), 'kind: [');
  host.log = '';
  host.start();
  await host.waitForLog(/took over/);
  assert.equal(await host.runningPid(), pid);
});

test('kubelet: SIGTERM: leaves the processes to a successor', async (t) => {
  const host = new Host(t);
  host.write('web', 'echo up; exec sleep 100');
  const first = host.start();
  await host.waitForOutput(/up/);
  const pid = await host.runningPid();
  await host.stop(first);
  assert.equal(first.exitCode, 0);
  assert.equal(isGone(pid), false);
});

test('kubelet: SIGTERM: with --stop-pods-on-exit: stops the last first', async (t) => {
  const host = new Host(t);
  for (const name of ['a', 'b', 'c']) host.write(name, 'echo up; trap "exit 0" TERM; while :; do sleep 0.05; done');
  const kubelet = host.start(['--stop-pods-on-exit']);
  await host.waitForOutput(/(up\s*){3}/);
  await host.stop(kubelet);
  const order = [...host.log.matchAll(/Stopping pod (\w)-m1/g)].map((m) => m[1]);
  assert.deepEqual(order, ['c', 'b', 'a']);
  assert.equal(host.log.match(/exited with 0/g)?.length, 3);
});

test('kubelet: root directory: belongs to one kubelet at a time', async (t) => {
  const host = new Host(t);
  const first = host.start();
  await eventually(() => files(host.root).some((f) => f.endsWith('kubelet.pid')), 'the kubelet is up');
  const second = host.start();
  await once(second, 'exit');
  assert.equal(second.exitCode, 1);
  assert.match(
    host.log,
    new RegExp(`belongs to the kubelet with pid ${first.pid}: stop it or choose another --root-dir`),
  );
});

test('kubelet: probes: a server that stops answering is restarted', async (t) => {
  const host = new Host(t);
  const server = createServer((_request, response) => response.writeHead(status).end()).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  let status = 200;
  const { port } = server.address() as { port: number };
  const livenessProbe = { httpGet: { path: '/livez', port }, periodSeconds: 1, failureThreshold: 1 };
  host.write('web', 'echo up; exec sleep 100', {}, { livenessProbe });
  host.start();
  await host.waitForOutput(/up/);
  const pid = await host.runningPid();
  status = 500;
  await eventually(() => isGone(pid), 'the unhealthy process is gone');
  status = 200;
  await host.runningPid(pid);
  assert.match(host.log, /liveness probe failed: HTTP probe failed with statuscode: 500/);
});

test('kubelet: command line: mistakes are refused in one line', async (t) => {
  const host = new Host(t);
  for (const [flag, reason] of [
    ['--pod-manifest-pth=x', /unknown flag: --pod-manifest-pth; did you mean --pod-manifest-path\?/],
    ['--register-with-taints=nonsense', /invalid value "nonsense" for --register-with-taints/],
    ['--simulated-nodes=2', /--simulated-nodes needs --kubeconfig/],
    ['--container-log-max-size=big', /invalid value "big" for --container-log-max-size/],
    ['--kubeconfig=/nowhere', /kubeconfig \/nowhere cannot be read/],
  ] as const) {
    host.log = '';
    const flags = flag.startsWith('--reg') ? [flag, '--kubeconfig=/nowhere'] : [flag];
    const kubelet = host.start(flags);
    await once(kubelet, 'exit');
    assert.notEqual(kubelet.exitCode, 0, flag);
    assert.match(host.log, reason);
    assert.equal(host.log.trim().split('\n').length, 1, host.log);
  }
});
