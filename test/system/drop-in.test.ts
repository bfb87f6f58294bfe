/** Upstream's executables by name, with the flags that test harnesses (envtest, kwokctl) pass to them. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createAuthority, issue } from '#base/certificates.ts';
import { realClock } from '#os/real-clock.ts';
import { execute, freePort, kubectlPath, root, temporaryDirectory, until } from './control-plane.ts';

const directory = temporaryDirectory();
const running: ChildProcess[] = [];
let kubeconfig: string;
let ports: { etcd: number; api: number; scheduler: number; manager: number };

function start(name: string, args: readonly string[]): { child: ChildProcess; output(): string } {
  const child = spawn(join(root, 'bin', name), args, { stdio: ['ignore', 'ignore', 'pipe'] });
  running.push(child);
  let text = '';
  child.stderr!.on('data', (chunk) => {
    text += chunk;
  });
  return { child, output: () => text };
}

function statusOf(port: number, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const req = request({ host: '127.0.0.1', port, path, rejectUnauthorized: false, agent: false }, (res) => {
      res.resume();
      resolve(res.statusCode!);
    });
    req.on('error', reject);
    req.end();
  });
}

before(async () => {
  ports = { etcd: await freePort(), api: await freePort(), scheduler: await freePort(), manager: await freePort() };
  const file = (name: string, text: string) => {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  mkdirSync(directory, { recursive: true });
  const ca = await createAuthority('envtest', realClock);
  const admin = await issue(
    ca,
    { commonName: 'admin', organizations: ['system:masters'], usages: ['client'] },
    realClock,
  );
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  start('etcd', [
    `--advertise-client-urls=http://127.0.0.1:${ports.etcd}`,
    `--data-dir=${join(directory, 'etcd')}`,
    `--listen-client-urls=http://127.0.0.1:${ports.etcd}`,
    '--listen-peer-urls=http://localhost:0',
    '--unsafe-no-fsync=true',
  ]);
  await until(
    'etcd is healthy',
    () =>
      new Promise((resolve) =>
        get(`http://127.0.0.1:${ports.etcd}/health`, (res) => resolve(res.resume().statusCode === 200)).on(
          'error',
          () => resolve(false),
        ),
      ),
  );
  start('kube-apiserver', [
    '--advertise-address=127.0.0.1',
    '--allow-privileged=true',
    '--authorization-mode=RBAC',
    '--bind-address=127.0.0.1',
    `--cert-dir=${join(directory, 'certs')}`,
    `--client-ca-file=${file('ca.crt', ca.cert)}`,
    '--disable-admission-plugins=ServiceAccount',
    `--etcd-servers=http://127.0.0.1:${ports.etcd}`,
    '--health-port=0',
    `--secure-port=${ports.api}`,
    '--service-account-issuer=https://127.0.0.1/',
    `--service-account-key-file=${file('sa.pub', publicKey)}`,
    `--service-account-signing-key-file=${file('sa.key', privateKey)}`,
    '--service-cluster-ip-range=10.0.0.0/24',
  ]);
  await until('the API server is ready', async () => (await statusOf(ports.api, '/readyz')) === 200);
  const data = (text: string) => Buffer.from(text).toString('base64');
  kubeconfig = file(
    'kubeconfig',
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'c',
      clusters: [
        { name: 'c', cluster: { server: `https://127.0.0.1:${ports.api}`, 'insecure-skip-tls-verify': true } },
      ],
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
      users: [{ name: 'u', user: { 'client-certificate-data': data(admin.cert), 'client-key-data': data(admin.key) } }],
    }),
  );
});

after(async () => {
  for (const child of running.reverse()) {
    if (child.exitCode !== null) continue;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  }
  rmSync(directory, { recursive: true, force: true });
});

const kubectl = (...args: string[]) => execute([kubectlPath, ...args], { KUBECONFIG: kubeconfig });

test('drop-in: kube-apiserver and etcd: serve a client with a certificate', async () => {
  const whoami = await kubectl('auth', 'whoami', '-o', 'json');
  assert.equal(JSON.parse(whoami.stdout).status.userInfo.username, 'admin', whoami.stderr);
  assert.equal(
    (await kubectl('run', 'p', '--image=x')).code,
    0,
    'without the ServiceAccount plugin no account is needed',
  );
});

test('drop-in: kube-scheduler and kube-controller-manager: do their work', async () => {
  start('kube-scheduler', [
    `--kubeconfig=${kubeconfig}`,
    '--leader-elect=false',
    '--bind-address=127.0.0.1',
    `--secure-port=${ports.scheduler}`,
    '--authorization-always-allow-paths=/healthz,/readyz,/livez,/metrics',
    '--kube-api-qps=5000',
  ]);
  start('kube-controller-manager', [
    `--kubeconfig=${kubeconfig}`,
    '--leader-elect=false',
    '--bind-address=127.0.0.1',
    `--secure-port=${ports.manager}`,
    '--node-monitor-period=25s',
    '--node-monitor-grace-period=3m20s',
  ]);
  await until('the scheduler is healthy', async () => (await statusOf(ports.scheduler, '/healthz')) === 200);
  await until('the manager is healthy', async () => (await statusOf(ports.manager, '/healthz')) === 200);
  assert.equal((await kubectl('create', 'deployment', 'web', '--image=x')).code, 0);
  await until(
    'its pod is made',
    async () => (await kubectl('get', 'pods', '-l', 'app=web', '-o', 'name')).stdout !== '',
  );
  const node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n1' },
    status: { allocatable: { cpu: '4', memory: '8Gi', pods: '110' }, conditions: [{ type: 'Ready', status: 'True' }] },
  };
  const created = await execute(
    [kubectlPath, 'create', '-f', '-'],
    { KUBECONFIG: kubeconfig },
    30_000,
    JSON.stringify(node),
  );
  assert.equal(created.code, 0, created.stderr);
  await until(
    'the pod is bound',
    async () =>
      (await kubectl('get', 'pods', '-l', 'app=web', '-o', 'jsonpath={.items[0].spec.nodeName}')).stdout === 'n1',
  );
});

test('drop-in: flags: a real one without meaning warns once, an invented one is refused', async () => {
  const refused = await execute([join(root, 'bin', 'kube-scheduler'), '--kubconfig=x']);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /^kube-scheduler: unknown flag: --kubconfig; did you mean --kubeconfig\?\n$/);
  const help = await execute([join(root, 'bin', 'kube-apiserver'), '--help']);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /--etcd-servers/);
  const { output, child } = start('kube-apiserver', [
    '--profiling=false',
    `--etcd-servers=http://127.0.0.1:${ports.etcd}`,
    '--secure-port=0',
  ]);
  await until('a warning', () => output().includes('--profiling has no effect in evenkeel') || child.exitCode !== null);
  assert.equal(output().match(/--profiling has no effect/g)?.length, 1);
  child.kill('SIGKILL');
});
