/** Two API servers over one store: what only one of them may give away, and how one of them leaves. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { freePort } from '#base/testing/free-port.ts';

const root = join(import.meta.dirname, '..');
const addresses = ['127.0.0.1', '127.0.0.2'];
const agent = new Agent({ keepAlive: true, rejectUnauthorized: false });
const children: ChildProcess[] = [];
let dir = '';
let port = 0;

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'evenkeel-pair-'));
  const [store, health, secure] = await Promise.all([freePort(), freePort(), freePort()]);
  port = secure;
  writeFileSync(join(dir, 'tokens.csv'), 'admintoken,admin,admin,"system:masters"\njanetoken,jane,jane\n');
  const url = `http://127.0.0.1:${store}`;
  children.push(
    start('etcd', '--data-dir', join(dir, 'store'), '--listen-client-urls', url, '--advertise-client-urls', url),
  );
  for (const address of addresses)
    children.push(
      start(
        'apiserver',
        `--etcd-servers=${url}`,
        `--bind-address=${address}`,
        `--health-bind-address=${address}`,
        `--secure-port=${port}`,
        `--health-port=${health}`,
        `--cert-dir=${join(dir, address)}`,
        `--token-auth-file=${join(dir, 'tokens.csv')}`,
        '--authorization-mode=Node,RBAC',
        '--service-cluster-ip-range=10.7.0.0/26',
        '--service-node-port-range=31000-31031',
      ),
    );
  for (const address of addresses)
    await until(`${address} is ready`, async () => (await fetch(`http://${address}:${health}/readyz`)).status === 200);
});

after(async () => {
  agent.destroy();
  await Promise.all(children.map(end));
  rmSync(dir, { recursive: true, force: true });
});

test('two API servers: services: never the same address or port, and what fails gives back', async () => {
  const create = (i: number) =>
    call(i % 2, 'POST', '/api/v1/namespaces/default/services', {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: `s${i}` },
      spec: { type: 'NodePort', ports: [{ port: 80 }] },
    });
  const made = await Promise.all(Array.from({ length: 24 }, (_, i) => create(i)));
  assert.deepEqual(new Set(made.map((m) => m.status)), new Set([201]));
  const unique = (values: unknown[]) => assert.equal(new Set(values).size, values.length);
  unique(made.map((m) => m.body.spec.clusterIP));
  unique(made.map((m) => m.body.spec.ports[0].nodePort));

  const again = await create(1);
  assert.equal(again.status, 409);
  for (let i = 0; i < 24; i++) await call(i % 2, 'DELETE', `/api/v1/namespaces/default/services/s${i}`);
  await until('all addresses but that of the service kubernetes are free', async () => {
    const { body } = await call(0, 'GET', '/apis/networking.k8s.io/v1/ipaddresses');
    return body.items.length === 1;
  });
  const all = await Promise.all(Array.from({ length: 32 }, (_, i) => create(i)));
  assert.deepEqual(new Set(all.map((m) => m.status)), new Set([201]), 'every port of the range can be had again');
});

test('two API servers: RBAC: a grant at one holds at the other', async () => {
  const list = (server: number) => call(server, 'GET', '/api/v1/nodes', undefined, 'janetoken');
  assert.equal((await list(1)).status, 403);
  const group = '/apis/rbac.authorization.k8s.io/v1';
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' };
  const metadata = { name: 'jane' };
  const subjects = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'jane' }];
  const binding = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata,
    roleRef,
    subjects,
  };
  assert.equal((await call(0, 'POST', `${group}/clusterrolebindings`, binding)).status, 201);
  await until('the other server knows', async () => (await list(1)).status === 200);
});

test('API server: certificate: its own one is kept from others', () => {
  assert.equal(statSync(join(dir, addresses[0]!, 'apiserver.key')).mode & 0o777, 0o600);
});

test('two API servers: endpoints: one that stops takes itself out, and exits cleanly', async () => {
  const endpoints = async () => {
    const { body } = await call(0, 'GET', '/api/v1/namespaces/default/endpoints/kubernetes');
    return (body.subsets?.[0]?.addresses ?? []).map((a: { ip: string }) => a.ip);
  };
  await until('both are endpoints', async () => (await endpoints()).length === 2);
  const leaving = children[2]!;
  await end(leaving);
  assert.equal(leaving.exitCode, 0);
  assert.deepEqual(await endpoints(), ['127.0.0.1']);
});

function start(...argv: string[]): ChildProcess {
  return spawn(process.execPath, [join(root, 'bin', 'evenkeel.ts'), ...argv], { stdio: 'ignore' });
}

function call(
  server: number,
  method: string,
  path: string,
  body?: object,
  token = 'admintoken',
): Promise<{ status: number; body: any }> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const sent = request({ host: addresses[server], port, method, path, headers, agent }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode!, body: JSON.parse(text) }));
    });
    sent.on('error', reject);
    sent.end(body && JSON.stringify(body));
  });
}

async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (await isTrue().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(`it did not come to be that ${what}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const kill = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await ended;
  clearTimeout(kill);
}
