/**
 * A store restored from a snapshot under API servers and clients that have seen what came after it: nobody may be shown
 * that lost future again, and no revision may mean two things.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import type { KubeObject } from '#apimachinery/object.ts';
import { isStatusError } from '#apimachinery/status-error.ts';
import { silentLogger } from '#base/log.ts';
import { freePort } from '#base/testing/free-port.ts';
import type { ApiClient } from '#client/client.ts';
import { createInformerFactory } from '#client/informer-factory.ts';
import { realClock } from '#os/real-clock.ts';
import { eventually, startApiServerProcess } from './apiserver-process.ts';
import { startOurEtcd } from './etcd-processes.ts';

const entry = join(import.meta.dirname, '..', 'bin', 'evenkeel.ts');
const run = promisify(execFile);
const store = async (...args: string[]) => run(process.execPath, [entry, 'store', ...args]);

const configMaps = { group: '', version: 'v1', resource: 'configmaps' };
const maps = (client: ApiClient) => client.resource<ConfigMap>(configMaps, 'default');
type ConfigMap = KubeObject & { data?: Record<string, string> };

const map = (name: string, value: string): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default', labels: { test: 'restore' } },
  data: { value },
});
const mine = { labelSelector: 'test=restore' };
const shown = (items: ConfigMap[]) => items.map((m) => `${m.metadata.name}=${m.data?.['value']}`).sort();
const revisionOf = (object: { metadata: { resourceVersion?: string } }) => Number(object.metadata.resourceVersion);

const restoredState = ['a=1', 'b=1', 'c=1'];
const lostFuture = ['a=2', 'c=1', 'd=1', 'e=1'];

/** A watch as a client holds one: what it was told, and how it ended. */
function watching(client: ApiClient, resourceVersion: string) {
  const revisions: number[] = [];
  const watch = maps(client).watch({ ...mine, resourceVersion, allowWatchBookmarks: true });
  const end = (async (): Promise<unknown> => {
    try {
      for await (const { object } of watch) revisions.push(revisionOf(object));
    } catch (error) {
      return error;
    }
    return undefined;
  })();
  return { revisions, end };
}

const expired = (error: unknown) => isStatusError(error, 'Expired') && error.status.code === 410;

/** The store with a snapshot of the past, and clients who know the future; then the store is the past again. */
async function backInTime(t: TestContext, flags: string[]) {
  const dir = mkdtempSync(join(tmpdir(), 'evenkeel-restore-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const listen = [`--listen-client-urls=http://127.0.0.1:${await freePort()}`];
  const before = await startOurEtcd(listen, join(dir, 'before'));
  t.after(() => before.stop());
  const { client } = await startApiServerProcess(t, before.endpoint);
  for (const name of ['a', 'b', 'c']) await maps(client).create(map(name, '1'));
  const page = await maps(client).list({ ...mine, limit: 1 });
  const file = join(dir, 'snapshot.db');
  await store('snapshot', 'save', file, '--endpoints', before.endpoint);

  const updated = await maps(client).get('a');
  const known = await maps(client).update({ ...updated, data: { value: '2' } });
  await maps(client).delete('b');
  for (const name of ['d', 'e']) await maps(client).create(map(name, '1'));
  const future = await maps(client).list(mine);
  assert.deepEqual(shown(future.items), lostFuture);
  const resourceVersion = future.metadata.resourceVersion!;
  const watch = watching(client, resourceVersion);
  const stopping = new AbortController();
  t.after(() => stopping.abort());
  const factory = createInformerFactory({ client, clock: realClock, random: Math.random, log: silentLogger });
  const informer = factory.informer<ConfigMap>(configMaps, { namespace: 'default', ...mine });
  void factory.run(stopping.signal);
  await informer.whenSynced(AbortSignal.timeout(10_000));
  assert.deepEqual(shown(informer.list()), lostFuture);

  await before.end('SIGTERM');
  const { stderr } = await store('snapshot', 'restore', file, '--data-dir', join(dir, 'after'), ...flags);
  const after = await startOurEtcd(listen, join(dir, 'after'));
  t.after(() => after.stop());
  const first = await firstList(client);
  return { client, after, stderr, page, known, future: Number(resourceVersion), watch, informer, first };
}

/** The first that is answered after the store came back. */
async function firstList(client: ApiClient) {
  let list = { items: [] as ConfigMap[], metadata: {} as { resourceVersion?: string } };
  await eventually('the API server answers from the restored store', async () => {
    list = await maps(client).list(mine);
    return true;
  });
  return list;
}

test('restore: revisions bumped: whoever knows the future is told to list anew, and revisions only grow', async (t) => {
  const bump = ['--bump-revision', '1000000', '--mark-compacted'];
  const { client, after, stderr, page, known, future, watch, informer, first } = await backInTime(t, bump);
  assert.equal(stderr, '');
  assert.deepEqual(shown(first.items), restoredState);
  assert.ok(revisionOf(first) > future, `${revisionOf(first)} after ${future}`);
  assert.deepEqual(shown((await maps(client).list({ ...mine, resourceVersion: '0' })).items), restoredState);
  assert.ok(expired(await watch.end), 'a watch that was under way ends with 410');
  await eventually(
    'the informer has the restored state',
    async () => `${shown(informer.list())}` === `${restoredState}`,
  );

  const fresh = await startApiServerProcess(t, after.endpoint);
  let now = restoredState;
  for (const [name, one] of Object.entries({ survivor: client, fresh: fresh.client })) {
    for (const resourceVersion of [future - 4, future - 1, future, future + 1].map(String)) {
      assert.ok(expired(await watching(one, resourceVersion).end), `${name}: a watch from ${resourceVersion}`);
      const exact = maps(one).list({ ...mine, resourceVersion, resourceVersionMatch: 'Exact' });
      await assert.rejects(exact, expired, `${name}: a list at ${resourceVersion}`);
    }
    await assert.rejects(maps(one).list({ ...mine, limit: 1, continue: page.metadata.continue! }), expired, name);
    const list = await maps(one).list({
      ...mine,
      resourceVersion: String(future),
      resourceVersionMatch: 'NotOlderThan',
    });
    assert.deepEqual(shown(list.items), now, name);
    // Who goes on from what it knew of an object conflicts; who reads first does not.
    const conflict = (error: unknown) => isStatusError(error, 'Conflict');
    await assert.rejects(maps(one).update({ ...known, data: { value: name } }), conflict, name);
    const resumed = watching(one, list.metadata.resourceVersion!);
    const read = await maps(one).get('a');
    const written = await maps(one).update({ ...read, data: { value: name } });
    assert.ok(revisionOf(written) > revisionOf(first));
    await eventually('the new watch is told', async () => resumed.revisions.includes(revisionOf(written)));
    now = [`a=${name}`, 'b=1', 'c=1'];
  }
  await eventually('the informer follows', async () => shown(informer.list()).includes('a=fresh'));
});

test('restore: revisions not bumped: warned of; API servers that ran on notice and drop what they knew', async (t) => {
  const { client, stderr, future, watch, informer, first } = await backInTime(t, []);
  assert.match(stderr, /^evenkeel store snapshot restore: warning: whoever saw this store after revision \d+ may/);
  assert.match(stderr, /--bump-revision 1000000000 --mark-compacted\n$/);
  assert.deepEqual(shown(first.items), restoredState);
  assert.ok(revisionOf(first) < future + 1_000);
  assert.deepEqual(shown((await maps(client).list({ ...mine, resourceVersion: '0' })).items), restoredState);
  assert.ok(expired(await watch.end), 'a watch that was under way ends with 410');
  await eventually(
    'the informer has the restored state',
    async () => `${shown(informer.list())}` === `${restoredState}`,
  );
});
