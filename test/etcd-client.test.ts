/** The client when stores go away: which requests are repeated, which are said to be uncertain. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { silentLogger } from '#base/log.ts';
import { freePort } from '#base/testing/free-port.ts';
import { createEtcdClient, type EtcdClientOptions } from '#etcd/client.ts';
import { Code, EtcdError } from '#etcd/etcd-error.ts';
import { realClock } from '#os/real-clock.ts';
import { makeAuthority } from './etcd-certificates.ts';
import { EtcdCluster, withoutRealEtcd } from './etcd-cluster.ts';
import { startOurEtcd } from './etcd-processes.ts';
import { text } from './etcd-suite.ts';

function clientOf(t: TestContext, endpoints: string[], options: Partial<EtcdClientOptions> = {}) {
  const client = createEtcdClient({ endpoints, clock: realClock, log: silentLogger, ...options });
  t.after(() => client.close());
  return client;
}

const nameOf = (code: number) => Object.entries(Code).find(([, value]) => value === code)?.[0];
const failure = (code: number, maybeApplied: boolean) => (error: unknown) => {
  assert.ok(error instanceof EtcdError);
  assert.deepEqual([nameOf(error.code), error.maybeApplied], [nameOf(code), maybeApplied]);
  return true;
};

test('etcd client: nobody there: certainly not applied, after its time', async (t) => {
  const client = clientOf(t, [`http://127.0.0.1:${await freePort()}`]);
  await assert.rejects(client.put({ key: text('a') }, { timeoutMs: 300 }), failure(Code.UNAVAILABLE, false));
});

test('etcd client: a request made before the store is up: waits for it', async (t) => {
  const endpoint = `http://127.0.0.1:${await freePort()}`;
  const client = clientOf(t, [endpoint]);
  const put = client.put({ key: text('a'), value: text('1') });
  const etcd = await startOurEtcd([`--listen-client-urls=${endpoint}`]);
  t.after(() => etcd.stop());
  assert.equal((await put).header!.revision, 2);
});

test('etcd client: several endpoints: goes on with the next when one is gone, watches are closed', async (t) => {
  const [one, other] = [await startOurEtcd(), await startOurEtcd()];
  t.after(() => Promise.all([one.stop(), other.stop()]));
  const dead = `http://127.0.0.1:${await freePort()}`;
  const client = clientOf(t, [dead, one.endpoint, other.endpoint]);
  const first = (await client.put({ key: text('a') })).header!.clusterId;
  const watched = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<EtcdError>();
  client.watch(
    { key: text('a') },
    { created: () => watched.resolve(), events() {}, progress() {}, compacted() {}, closed: closed.resolve },
  );
  await watched.promise;
  await one.end('SIGKILL');
  assert.equal((await closed.promise).code, Code.UNAVAILABLE);
  const second = (await client.range({ key: text('a') })).header.clusterId;
  assert.notEqual(second, first);
});

test('etcd client: connection lost after sending: may have been applied', async (t) => {
  const etcd = await startOurEtcd();
  t.after(() => etcd.stop());
  // A path to the store that can be cut, after it let the request through.
  const sockets: Socket[] = [];
  let isCutting = false;
  const proxy = createServer((client) => {
    const server = connect(Number(new URL(etcd.endpoint).port), '127.0.0.1');
    sockets.push(client, server);
    client.on('error', () => {});
    server.on('error', () => {});
    client.pipe(server);
    server.on('data', (bytes) => {
      if (isCutting) client.destroy();
      else client.write(bytes);
    });
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    proxy.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = proxy.address() as { port: number };
  const client = clientOf(t, [`http://127.0.0.1:${port}`]);
  await client.put({ key: text('a'), value: text('1') });
  isCutting = true;
  await assert.rejects(client.put({ key: text('a'), value: text('2') }), failure(Code.UNAVAILABLE, true));
  isCutting = false;
  assert.equal((await client.range({ key: text('a') })).kvs[0]!.value.toString(), '2');
});

test('etcd client: a frozen store: the deadline holds, and it is uncertain', async (t) => {
  const etcd = await startOurEtcd();
  t.after(() => etcd.stop());
  const client = clientOf(t, [etcd.endpoint]);
  await client.put({ key: text('a') });
  etcd.child.kill('SIGSTOP');
  await assert.rejects(client.put({ key: text('a') }, { timeoutMs: 300 }), failure(Code.DEADLINE_EXCEEDED, true));
  const abort = new AbortController();
  const cancelled = client.put({ key: text('a') }, { signal: abort.signal });
  abort.abort();
  await assert.rejects(cancelled, failure(Code.CANCELLED, true));
  etcd.child.kill('SIGCONT');
  await client.range({ key: text('a') });
});

async function frozenOfTwo(t: TestContext) {
  const [frozen, other] = [await startOurEtcd(), await startOurEtcd()];
  t.after(() => Promise.all([frozen.stop(), other.stop()]));
  const client = clientOf(t, [frozen.endpoint, other.endpoint]);
  const before = (await client.range({ key: text('a') })).header.clusterId;
  const closed = Promise.withResolvers<EtcdError>();
  const created = Promise.withResolvers<void>();
  client.watch(
    { key: text('a') },
    { created: () => created.resolve(), events() {}, progress() {}, compacted() {}, closed: closed.resolve },
  );
  await created.promise;
  frozen.child.kill('SIGSTOP');
  return { client, before, closed: closed.promise, frozen, other };
}

test('etcd client: one of two is frozen: reads are answered by the other, writes are told uncertain', async (t) => {
  const { client, before, closed } = await frozenOfTwo(t);
  // Long deadlines: what ends them is that the other answers.
  const put = client.put({ key: text('a') }, { timeoutMs: 60_000 });
  const refused = assert.rejects(put, failure(Code.UNAVAILABLE, true));
  const reads = [1, 2, 3].map(() => client.range({ key: text('a') }, { timeoutMs: 60_000 }));
  for (const read of reads) assert.notEqual((await read).header.clusterId, before);
  await refused;
  assert.equal((await closed).code, Code.UNAVAILABLE);
});

test('etcd client: one of two is frozen: a quiet watch on it is closed, without any request', async (t) => {
  const { closed } = await frozenOfTwo(t);
  assert.match((await closed).message, /does not answer/);
});

test('etcd client: all are frozen: none is given up, and requests are answered once they thaw', async (t) => {
  const { client, before, frozen, other } = await frozenOfTwo(t);
  other.child.kill('SIGSTOP');
  const put = client.put({ key: text('a') }, { timeoutMs: 60_000 });
  await assert.rejects(client.range({ key: text('a') }, { timeoutMs: 2_500 }), failure(Code.DEADLINE_EXCEEDED, true));
  frozen.child.kill('SIGCONT');
  assert.equal((await put).header!.clusterId, before);
});

test('etcd client: a fallback endpoint: used while the others are away, and left when one is back', async (t) => {
  const [first, fallback] = [await startOurEtcd(), await startOurEtcd()];
  t.after(() => Promise.all([first.stop(), fallback.stop()]));
  const client = clientOf(t, [first.endpoint], { fallbackEndpoints: [fallback.endpoint] });
  const clusterOf = async () => (await client.range({ key: text('a') })).header.clusterId;
  const home = await clusterOf();
  await first.end('SIGKILL');
  assert.notEqual(await clusterOf(), home);
  const closed = Promise.withResolvers<EtcdError>();
  const created = Promise.withResolvers<void>();
  client.watch(
    { key: text('a') },
    { created: () => created.resolve(), events() {}, progress() {}, compacted() {}, closed: closed.resolve },
  );
  await created.promise;
  const again = await startOurEtcd([`--listen-client-urls=${first.endpoint}`], first.dataDir);
  t.after(() => again.end('SIGKILL'));
  assert.match((await closed.promise).message, /moved/);
  assert.equal(await clusterOf(), home);
});

test('etcd client: a member that lost its leader: reads, writes and watches go on elsewhere', {
  skip: withoutRealEtcd,
}, async (t) => {
  const cluster = await EtcdCluster.start(3);
  t.after(() => cluster.stop());
  const [alone, ...others] = cluster.members;
  const files = { cert: cluster.server.cert, key: cluster.server.key, ca: cluster.caFile };
  const other = await startOurEtcd([
    '--listen-client-urls=https://127.0.0.1:0',
    `--cert-file=${files.cert}`,
    `--key-file=${files.key}`,
    `--trusted-ca-file=${files.ca}`,
  ]);
  t.after(() => other.stop());
  const client = clientOf(t, [alone!.endpoint, other.endpoint], { tls: cluster.tls() });
  const before = (await client.put({ key: text('a') })).header!.clusterId;
  const closed = Promise.withResolvers<EtcdError>();
  const created = Promise.withResolvers<void>();
  client.watch(
    { key: text('a') },
    { created: () => created.resolve(), events() {}, progress() {}, compacted() {}, closed: closed.resolve },
  );
  await created.promise;
  await Promise.all(others.map((member) => cluster.kill(member)));
  await closed.promise;
  // Back at the first, whose process is well: it must say itself that it cannot serve.
  const alsoFirst = clientOf(t, [alone!.endpoint, other.endpoint], { tls: cluster.tls() });
  assert.notEqual((await alsoFirst.put({ key: text('b') })).header!.clusterId, before);
  assert.notEqual((await client.range({ key: text('b') })).header.clusterId, before);
});

test('etcd client: refused by the store: certainly not applied', async (t) => {
  const etcd = await startOurEtcd();
  t.after(() => etcd.stop());
  const client = clientOf(t, [etcd.endpoint]);
  await assert.rejects(client.put({ key: text('a'), lease: 5n }), failure(Code.NOT_FOUND, false));
});

test('etcd client: TLS: its own certificate is shown, the store is checked', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'etcd-tls-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const authority = await makeAuthority(dir, 'ca');
  const other = await makeAuthority(dir, 'other');
  const server = await authority.issue('etcd');
  const files = await authority.issue('apiserver');
  const etcd = await startOurEtcd([
    '--listen-client-urls=https://127.0.0.1:0',
    `--cert-file=${server.cert}`,
    `--key-file=${server.key}`,
    `--trusted-ca-file=${authority.caFile}`,
  ]);
  t.after(() => etcd.stop());
  const tls = { ca: readFileSync(authority.caFile), cert: readFileSync(files.cert), key: readFileSync(files.key) };
  await clientOf(t, [etcd.endpoint], { tls }).put({ key: text('a') });
  const distrusting = clientOf(t, [etcd.endpoint], { tls: { ...tls, ca: readFileSync(other.caFile) } });
  await assert.rejects(distrusting.put({ key: text('a') }, { timeoutMs: 300 }), failure(Code.UNAVAILABLE, false));
});
