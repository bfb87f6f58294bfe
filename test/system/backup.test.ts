/** A whole control plane saved while it runs, put back to that day, and taken to etcd's format: as docs/backup.md has it. */
import assert from 'node:assert/strict';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ControlPlane, evenkeel, until } from './control-plane.ts';

const bump = ['--bump-revision', '1000000000', '--mark-compacted'];

test('backup: a control plane: saved while it runs, restored beyond all revisions, and goes on', async (t) => {
  const plane = await ControlPlane.start(['--masters', '1', '--nodes', '1']);
  t.after(() => plane.destroy());
  const { dataDir } = plane;
  t.after(() => {
    for (const end of ['-snapshot.db', '-etcd.old', '-for-etcd.db'])
      rmSync(`${dataDir}${end}`, { recursive: true, force: true });
  });
  const store = (...args: string[]) => evenkeel(['store', ...args]);
  const file = `${dataDir}-snapshot.db`;
  const json = async (...args: string[]) => JSON.parse(await plane.kubectlOk(...args, '-o', 'json'));
  const pods = async () => (await json('get', 'pods', '-l', 'app=web')).items as { status: { phase: string } }[];

  await plane.kubectlOk('create', 'configmap', 'before');
  await plane.kubectlOk('create', 'deployment', 'web', '--image=nginx', '--replicas=2');
  await plane.kubectlOk('rollout', 'status', 'deployment/web', '--timeout=60s');
  const saved = await store('snapshot', 'save', file, '--data-dir', dataDir, '-o', 'json');
  assert.equal(saved.code, 0, saved.stderr);
  const { revision } = JSON.parse(saved.stdout);
  await plane.kubectlOk('delete', 'configmap', 'before');
  await plane.kubectlOk('create', 'configmap', 'after');
  await plane.kubectlOk('scale', 'deployment/web', '--replicas=4');
  await plane.kubectlOk('rollout', 'status', 'deployment/web', '--timeout=60s');
  const last = Number((await json('get', 'configmap', 'after')).metadata.resourceVersion);
  assert.ok(last > revision);

  const restore = ['snapshot', 'restore', file, '--data-dir', dataDir, ...bump];
  const whileItRuns = await store(...restore);
  assert.match(whileItRuns.stderr, /a control plane runs in .*: stop it with evenkeel down/);
  await plane.stop();
  assert.match((await store(...restore)).stderr, /etcd is not empty: move it away/);
  renameSync(join(dataDir, 'etcd'), `${dataDir}-etcd.old`);
  const restored = await store(...restore);
  assert.equal(restored.code, 0, restored.stderr);
  assert.match(restored.stdout, /start it: {2}evenkeel up --data-dir/);
  assert.equal(restored.stderr, '');

  const again = await ControlPlane.start([], dataDir, plane.port);
  t.after(() => again.destroy());
  await again.kubectlOk('get', 'configmap', 'before');
  assert.match((await again.kubectl('get', 'configmap', 'after')).stderr, /NotFound/);
  const raw = JSON.parse(await again.kubectlOk('get', '--raw', '/api/v1/namespaces/default/configmaps'));
  assert.ok(Number(raw.metadata.resourceVersion) > last + 1_000_000);
  await until('there are the pods of that day again', async () => {
    const found = await pods();
    return found.length === 2 && found.every((pod) => pod.status.phase === 'Running');
  });
  await again.kubectlOk('scale', 'deployment/web', '--replicas=3');
  await again.kubectlOk('rollout', 'status', 'deployment/web', '--timeout=60s');

  await again.stop();
  const forEtcd = `${dataDir}-for-etcd.db`;
  const migrated = await store('migrate', '--from', dataDir, '--to', 'etcd-snapshot', '--output', forEtcd, '--json');
  assert.equal(migrated.code, 0, migrated.stderr);
  assert.ok(JSON.parse(migrated.stdout).revision > last + 1_000_000);
  assert.ok(existsSync(forEtcd));
});
