/** A control plane whose store becomes real etcd, and an embedded one again: its clients see the same objects. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { KubeObject } from '#apimachinery/object.ts';
import type { ApiClient } from '#client/client.ts';
import { startApiServerProcess } from './apiserver-process.ts';
import { ended, startOurEtcd } from './etcd-processes.ts';
import { directory, etcdctl, restored, skip, store } from './restored-etcd.ts';

/** What no server writes by itself once it stands. */
const resources = [
  { group: '', version: 'v1', resource: 'configmaps' },
  { group: '', version: 'v1', resource: 'secrets' },
  { group: '', version: 'v1', resource: 'namespaces' },
  { group: 'apps', version: 'v1', resource: 'deployments' },
  { group: 'rbac.authorization.k8s.io', version: 'v1', resource: 'clusterroles' },
  { group: 'rbac.authorization.k8s.io', version: 'v1', resource: 'clusterrolebindings' },
  { group: 'scheduling.k8s.io', version: 'v1', resource: 'priorityclasses' },
];

async function allObjects(client: ApiClient): Promise<KubeObject[]> {
  const lists = await Promise.all(resources.map((gvr) => client.resource(gvr, '').list()));
  return lists.flatMap((list) => list.items);
}

test('migrate: a control plane to etcd and back: the same objects at the same resourceVersions', {
  skip,
}, async (t) => {
  const dir = directory(t);
  const before = await startOurEtcd();
  t.after(() => before.stop());
  const first = await startApiServerProcess(t, before.endpoint);
  const maps = (client: ApiClient) => client.resource({ group: '', version: 'v1', resource: 'configmaps' }, 'default');
  const map = (name: string, value: string) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'default' },
    data: { value },
  });
  for (let i = 0; i < 5; i++) await maps(first.client).create(map(`m${i}`, '1'));
  const read = await maps(first.client).get('m1');
  const start = (await maps(first.client).list()).metadata.resourceVersion!;
  await maps(first.client).update({ ...read, data: { value: '2' } } as KubeObject);
  await maps(first.client).delete('m2');
  const objects = await allObjects(first.client);
  assert.ok(objects.length > 60, `${objects.length} objects`);
  await first.end();
  await before.end('SIGTERM');

  const forEtcd = join(dir, 'for-etcd.db');
  await store('migrate', '--from', before.dataDir, '--to', 'etcd-snapshot', '--output', forEtcd);
  const [member] = await restored(t, dir, forEtcd, ['default']);
  const second = await startApiServerProcess(t, member!.endpoint);
  assert.deepEqual(await allObjects(second.client), objects);
  // A client goes on where it was, and misses nothing.
  const seen: string[] = [];
  for await (const { type, object } of maps(second.client).watch({ resourceVersion: start })) {
    seen.push(`${type} ${object.metadata.name}`);
    if (seen.length === 2) break;
  }
  assert.deepEqual(seen, ['MODIFIED m1', 'DELETED m2']);
  const changed = await maps(second.client).update({
    ...(await maps(second.client).get('m1')),
    data: {},
  } as KubeObject);
  const there = await allObjects(second.client);
  await second.end();

  const saved = join(dir, 'saved.db');
  await etcdctl(`--endpoints=${member!.endpoint}`, 'snapshot', 'save', saved);
  await ended(member!.child, 'SIGTERM');
  await store('snapshot', 'restore', saved, '--data-dir', join(dir, 'back'));
  const after = await startOurEtcd([], join(dir, 'back'));
  t.after(() => after.stop());
  const third = await startApiServerProcess(t, after.endpoint);
  assert.deepEqual(await allObjects(third.client), there);
  const last = await maps(third.client).update({ ...(await maps(third.client).get('m1')), data: {} } as KubeObject);
  assert.equal(last.metadata.resourceVersion, changed.metadata.resourceVersion, 'nothing changed, nothing written');
});
