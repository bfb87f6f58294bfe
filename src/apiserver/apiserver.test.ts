/** A whole API server in this process, over a store whose watch can be made to lie. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createScheme } from '#apis/scheme.ts';
import { silentLogger } from '#base/log.ts';
import { realClock } from '#os/real-clock.ts';
import { createStorageBackend } from '#storage/cacher/backend.ts';
import { FakeEtcd } from '#storage/testing/fake-etcd.ts';
import { LyingKv } from '#storage/testing/lying-kv.ts';
import { startApiServer } from './apiserver.ts';
import { parseCommandLine } from './options.ts';

interface Running {
  etcd: FakeEtcd;
  kv: LyingKv;
  get(path: string): Promise<{ status: number; text: string }>;
}

async function running(context: TestContext): Promise<Running> {
  const directory = mkdtempSync(join(tmpdir(), 'apiserver-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const parsed = await parseCommandLine([
    '--etcd-servers=http://127.0.0.1:1',
    '--bind-address=127.0.0.1',
    '--secure-port=0',
    '--health-port=0',
    `--cert-dir=${directory}`,
    '--service-cluster-ip-range=10.0.0.0/24',
    '--endpoint-reconciler-type=none',
  ]);
  assert.ok(parsed.action === 'run');
  const etcd = new FakeEtcd();
  const kv = new LyingKv(etcd);
  const [clock, log, random] = [realClock, silentLogger, Math.random];
  const backend = createStorageBackend({ client: kv, clock, log, random, consistencyCheckIntervalMs: 500 });
  const { server, run } = await startApiServer(parsed.options, {
    scheme: createScheme(),
    backend,
    storeMetrics: () => '',
    clock,
    random,
    log,
  });
  const stopping = new AbortController();
  const ended = run(stopping.signal);
  context.after(async () => {
    stopping.abort();
    await ended;
  });
  const { port } = server.addresses()[0]!;
  return { etcd, kv, get: (path) => answer(port, path) };
}

function answer(port: number, path: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, rejectUnauthorized: false, agent: false }, async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve({ status: response.statusCode!, text });
    }).on('error', reject);
  });
}

async function eventually(what: string, condition: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 20_000;
  while (!(await condition())) {
    if (performance.now() > end) assert.fail(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('API server: a cache that is not what the store is: not ready, which resource, and ready again', {
  timeout: 60_000,
}, async (context) => {
  const { etcd, kv, get } = await running(context);
  await eventually('ready', async () => (await get('/readyz')).status === 200);
  assert.match((await get('/readyz?verbose')).text, /^\[\+\]watch-cache-consistency ok$/m);

  const key = '/registry/configmaps/default/lost';
  kv.tamper = (event) => (event.kv.key === key ? [] : [event]);
  // The cache is made anew only when the test has seen enough.
  const seenEnough = Promise.withResolvers<void>();
  context.after(() => seenEnough.resolve());
  kv.gate = ({ key, keysOnly }) => (key === '/registry/configmaps/' && !keysOnly ? seenEnough.promise : undefined);
  etcd.put(
    key,
    JSON.stringify({ kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'lost', namespace: 'default' } }),
  );
  let seen = '';
  await eventually('not ready', async () => {
    const { status, text } = await get('/readyz');
    if (text.includes('[-]watch-cache-consistency')) seen = text;
    return status === 500 && seen !== '';
  });
  assert.match(seen, /^\[-\]watch-cache-consistency failed: watch cache and store differ: configmaps at \d+$/m);
  assert.equal((await get('/livez')).status, 200, 'nothing that a restart would mend');
  seenEnough.resolve();

  await eventually('ready again', async () => (await get('/readyz')).status === 200);
  const { status } = await get('/api/v1/namespaces/default/configmaps/lost?resourceVersion=0');
  assert.equal(status, 200, 'the cache has what it missed');
  const { text } = await get('/metrics');
  const lines = text.trimEnd().split('\n');
  const checks = 'apiserver_storage_consistency_checks_total{group="",resource="configmaps",status="failure"}';
  assert.ok(lines.some((line) => line.startsWith(`${checks} `) && !line.endsWith(' 0')));
  const names = lines.map((line) =>
    line.startsWith('# HELP') ? line.split(' ', 3).join(' ') : line.replace(/ \S+$/, ''),
  );
  const series = names.filter((name) => !name.startsWith('# TYPE'));
  assert.equal(new Set(series).size, series.length, 'no series and no description twice');
});
