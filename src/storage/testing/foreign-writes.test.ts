/**
 * Others write in the same etcd: outside the prefix, and inside it where no resource is. Consistent reads stay true and
 * bounded, whether the store can be asked for its progress or is too old for that, and through etcd's own proxy.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { freePort } from '#base/testing/free-port.ts';
import type { EtcdClient } from '#etcd/client.ts';
import { kvOfClient } from '../etcd3/client-kv.ts';
import type { StorageBackend } from '../storage.ts';
import { isInstalled, newEtcdClient, startEtcd } from './etcd-process.ts';
import { codecFor, eventually, map, nameOf, Recorder, startBackend } from './fixtures.ts';

const ourStore = join(import.meta.dirname, '../../../bin/evenkeel.ts');
const isMissing = !isInstalled('etcd');
if (isMissing && process.env['CI'] === 'true') throw new Error('etcd is missing: install etcd-server');
const skip = isMissing && 'no etcd on this machine';

const ours = [process.execPath, ourStore, 'etcd'] as const;
foreign('etcd', ['etcd'], false, skip);
foreign('the embedded store', ours, false, false);
foreign('etcd behind its proxy', ['etcd'], true, skip);
foreign('the embedded store behind etcd’s proxy', ours, true, skip);

/** Longer than anything a read waits for (its own bound is 10 s), short enough to tell a hang. */
const boundMs = 15_000;

function foreign(
  name: string,
  command: readonly [string, ...string[]],
  isProxied: boolean,
  skip: string | false,
): void {
  test(`foreign writes: ${name}: consistent reads are true, and none hangs`, { skip }, async (t) => {
    const etcd = await startEtcd(command);
    t.after(() => etcd.close());
    const endpoint = isProxied ? await startProxy(t, etcd.endpoint) : etcd.endpoint;
    const reads = newEtcdClient(endpoint);
    t.after(() => reads.close());
    const backend = startBackend(kvOfClient(etcd.client(), reads));
    t.after(() => backend.stop());
    const prefix = '/registry/things/';
    const things = backend.resource(codecFor(prefix));
    await eventually(() => backend.synced(), 'synced', boundMs);
    const recorder = new Recorder();
    await things.watch({ prefix }, recorder);

    const stranger = etcd.client();
    const stop = startWriting(stranger, [
      (i) => [[`/elsewhere/${i % 50}`, 'x'.repeat(200)]],
      (i) => [[`/registry/unknown.example.com/x/${i % 50}`, 'not even JSON']],
      // A transaction as large as etcd takes it, some of it under the prefix.
      (i) => Array.from({ length: 120 }, (_, k) => [`/${k % 2 ? 'registry/unheard' : 'other'}/${i % 5}/${k}`, `${i}`]),
    ]);
    t.after(stop);
    await eventually(() => stop.written > 20, 'others write', boundMs);

    const within = <T>(what: string, reading: Promise<T>): Promise<T> => bounded(what, reading);
    for (let i = 0; i < 10; i++) {
      const key = `${prefix}default/n${i}`;
      const made = await within('create', things.create(key, map(`n${i}`)));
      const found = await within('get', things.get(key));
      assert.equal(found?.revision, made!.revision);
      const all = await within('list', things.list({ prefix }));
      assert.equal(all.entries.length, i + 1);
      assert.ok(all.revision >= made!.revision);
      const first = await within('page', things.list({ prefix, limit: 1 }));
      assert.equal(first.entries.length, 1);
      if (!first.continueToken) continue;
      const rest = await within('next page', things.list({ prefix, continueToken: first.continueToken }));
      assert.deepEqual([rest.entries.length, rest.revision], [i, first.revision]);
      const later = await within('not older', things.list({ prefix, revision: first.revision }));
      assert.ok(later.revision >= first.revision);
    }
    assert.ok(stop.written > 60, `${stop.written} writes of others`);
    await eventually(() => recorder.seen.length === 10, 'all events', boundMs);
    assert.deepEqual(
      recorder.lines,
      Array.from({ length: 10 }, (_, i) => `ADDED n${i}`),
    );
    await stop();
    assert.equal(stop.failure, undefined);
    await readsAtRest(backend, stranger, prefix);
  });
}

/** The last write is somebody else's, and no event will ever come. */
async function readsAtRest(backend: StorageBackend, stranger: EtcdClient, prefix: string): Promise<void> {
  await stranger.put({ key: Buffer.from('/elsewhere/last'), value: Buffer.from('x') });
  const things = backend.resource(codecFor(prefix));
  const all = await bounded('list at rest', things.list({ prefix, limit: 3 }));
  assert.deepEqual(all.entries.map(nameOf), ['n0', 'n1', 'n2']);
  const next = await bounded('page at rest', things.list({ prefix, continueToken: all.continueToken }));
  assert.equal(next.entries.length, 7);
  assert.ok(await bounded('get at rest', things.get(`${prefix}default/n9`)));
  await bounded('watch at rest', things.watch({ prefix, revision: all.revision }, new Recorder()));
}

function bounded<T>(what: string, reading: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${what} hangs`)), boundMs);
  return Promise.race([reading, promise]).finally(() => clearTimeout(timer));
}

interface Writing {
  (): Promise<void>;
  written: number;
  failure: unknown;
}

/** Each of them writes one transaction after the other, until it is stopped. */
function startWriting(client: EtcdClient, writers: ((i: number) => [string, string][])[]): Writing {
  let isStopped = false;
  const stop: Writing = Object.assign(
    async () => {
      isStopped = true;
      await running;
    },
    { written: 0, failure: undefined as unknown },
  );
  const write = async (puts: (i: number) => [string, string][]) => {
    for (let i = 0; !isStopped && i < 100_000; i++) {
      const success = puts(i).map(([key, value]) => ({
        requestPut: { key: Buffer.from(key), value: Buffer.from(value) },
      }));
      await client.txn({ compare: [], success, failure: [] });
      stop.written++;
    }
  };
  const running = Promise.all(writers.map(write)).catch((error: unknown) => {
    stop.failure = error;
  });
  return stop;
}

async function startProxy(context: TestContext, endpoint: string): Promise<string> {
  const listen = `127.0.0.1:${await freePort()}`;
  const args = ['grpc-proxy', 'start', `--endpoints=${endpoint.replace('http://', '')}`, `--listen-addr=${listen}`];
  const proxy: ChildProcess = spawn('etcd', args, { stdio: 'ignore' });
  context.after(async () => {
    const exited = once(proxy, 'exit');
    if (proxy.exitCode === null && proxy.kill('SIGKILL')) await exited;
  });
  return `http://${listen}`;
}
