import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiErrors, StatusError } from '#apimachinery/status-error.ts';
import type { FakeAction } from '#client/testing/fake-client.ts';
import { type Pod, type ReplicaSet, resources } from '../resources.ts';
import { bench, kubelet, pod, readyStatus, replicaSet } from '../testing/fixtures.ts';
import { replicaSetController } from './replicaset-controller.ts';

const key = 'default/web';
const isCreate = (a: FakeAction) => a.verb === 'create' && a.gvr.resource === 'pods';
const scale = async (b: Awaited<ReturnType<typeof bench>>, replicas: number) => {
  const rs = await b.of<ReplicaSet>(resources.replicasets).get('web');
  await b.of<ReplicaSet>(resources.replicasets).update({ ...rs, spec: { ...rs.spec, replicas } });
  await b.pass();
};
/** Active and claimed pods' names. */
const names = (b: Awaited<ReturnType<typeof bench>>) => b.list<Pod>(resources.pods).map((p) => p.metadata.name!);

test('replicaset: scaled up and down: as many pods as asked for, with owner, events and status', async () => {
  const b = await bench([replicaSetController]);
  await b.of(resources.replicasets).create(replicaSet('web', { replicas: 5 }));
  await b.pass();
  const pods = b.list<Pod>(resources.pods);
  assert.equal(pods.length, 5);
  assert.match(pods[0]!.metadata.name!, /^web-/);
  assert.deepEqual(pods[0]!.metadata.labels, { app: 'web' });
  const { uid, ...owner } = pods[0]!.metadata.ownerReferences![0]!;
  assert.deepEqual(owner, {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    name: 'web',
    controller: true,
    blockOwnerDeletion: true,
  });
  assert.equal(b.events.filter((e) => e.startsWith('Normal SuccessfulCreate Created pod: web-')).length, 5);
  await kubelet(b)();
  await b.pass();
  assert.deepEqual(b.get<ReplicaSet>(resources.replicasets, key)!.status, {
    replicas: 5,
    fullyLabeledReplicas: 5,
    readyReplicas: 5,
    availableReplicas: 5,
    terminatingReplicas: 0,
    observedGeneration: 1,
  });
  await scale(b, 2);
  assert.equal(b.list(resources.pods).length, 2);
  assert.equal(b.events.filter((e) => e.startsWith('Normal SuccessfulDelete Deleted pod: web-')).length, 3);
  assert.equal(b.get<ReplicaSet>(resources.replicasets, key)!.status!.replicas, 2);
  await b.stop();
});

test('replicaset: at rest: no request', async () => {
  const b = await bench([replicaSetController]);
  await b.of(resources.replicasets).create(replicaSet('web', { minReadySeconds: 5 }));
  await b.pass();
  await kubelet(b)();
  await b.pass(10_000);
  b.client.actions.length = 0;
  await b.pass(20 * 60_000);
  assert.deepEqual(b.client.actions, []);
  assert.equal(b.clock.pendingTimers, 0);
  await b.stop();
});

test('replicaset: a refused creation: the batches stop, event and condition say why, and both go again', async () => {
  let creates = 0;
  let isRefused = true;
  const b = await bench([replicaSetController], {
    intercept: (action) => {
      if (!isCreate(action)) return;
      creates++;
      if (isRefused) throw apiErrors.forbidden({ group: '', resource: 'pods' }, '', 'exceeded quota: q');
    },
  });
  await b.of(resources.replicasets).create(replicaSet('web', { replicas: 100 }));
  await b.clock.advance(1);
  // The second look follows from the status that the first wrote.
  assert.ok(creates <= 2, `${creates} tries`);
  assert.match(b.events[0]!, /^Warning FailedCreate Error creating: .*exceeded quota/);
  const condition = b.get<ReplicaSet>(resources.replicasets, key)!.status!.conditions![0]!;
  assert.equal(`${condition.type}=${condition.status} ${condition.reason}`, 'ReplicaFailure=True FailedCreate');
  assert.match(condition.message!, /exceeded quota/);
  isRefused = false;
  await b.pass(60_000);
  assert.equal(b.list(resources.pods).length, 100);
  assert.equal(b.get<ReplicaSet>(resources.replicasets, key)!.status!.conditions, undefined);
  await b.stop();
});

test('replicaset: the namespace is going away: one try, no event, no failure', async () => {
  let creates = 0;
  const b = await bench([replicaSetController], {
    intercept: (action) => {
      if (!isCreate(action)) return;
      creates++;
      const causes = [{ reason: 'NamespaceTerminating', message: '', field: '' }];
      throw new StatusError({ code: 403, reason: 'Forbidden', message: 'terminating', details: { causes } });
    },
  });
  await b.of(resources.replicasets).create(replicaSet('web'));
  await b.pass(60_000);
  // A second look follows from the status that the first wrote.
  assert.ok(creates <= 3, `${creates} tries`);
  assert.deepEqual(b.events, []);
  assert.equal(b.get<ReplicaSet>(resources.replicasets, key)!.status!.conditions, undefined);
  await b.stop();
});

test('replicaset: an informer that is slow to show pods: none is made twice', async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let isHeld = false;
  const b = await bench([replicaSetController], {
    intercept: (action) => (isHeld && action.verb === 'watch' && action.gvr.resource === 'pods' ? held : undefined),
  });
  isHeld = true;
  b.client.breakWatches();
  await b.pass();
  await b.of(resources.replicasets).create(replicaSet('web', { replicas: 4 }));
  await b.pass();
  assert.equal(b.list(resources.pods).length, 4);
  // The ReplicaSet comes up for a sync again, and the pods are still not seen.
  await b
    .of(resources.replicasets)
    .patch('web', 'application/merge-patch+json', { metadata: { annotations: { a: 'b' } } });
  await b.pass(10_000);
  assert.equal(b.list(resources.pods).length, 4);
  release();
  isHeld = false;
  await b.pass(1000);
  assert.equal(b.list(resources.pods).length, 4);
  assert.equal(b.get<ReplicaSet>(resources.replicasets, key)!.status!.replicas, 4);
  await b.stop();
});

test('replicaset: started before the pods are listed: what exists is counted', async () => {
  let isFirst = true;
  const b = await bench([replicaSetController], {
    prepare: async (client) => {
      const rs = await client.resource(resources.replicasets, 'default').create(replicaSet('web', { replicas: 2 }));
      const ownerReferences = [
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: rs.metadata.uid, controller: true },
      ];
      for (const name of ['a', 'b']) {
        await client.resource(resources.pods, 'default').create(pod(name, { metadata: { ownerReferences } }));
      }
    },
    intercept: ({ verb, gvr }) => {
      if (verb !== 'watch' || gvr.resource !== 'pods' || !isFirst) return;
      isFirst = false;
      throw new Error('not yet');
    },
  });
  await b.pass(30_000);
  assert.deepEqual(names(b), ['a', 'b']);
  await b.stop();
});

test('replicaset: orphans that match: adopted, also when their labels come to match; those of others are not', async () => {
  const b = await bench([replicaSetController]);
  await b.of(resources.replicasets).create(replicaSet('web', { replicas: 2 }));
  const other = [{ apiVersion: 'v1', kind: 'X', name: 'x', uid: 'x', controller: true }];
  await b.of(resources.pods).create(pod('theirs', { metadata: { ownerReferences: other } }));
  await b.pass();
  await scale(b, 3);
  await b.of(resources.pods).create(pod('stray', { metadata: { labels: { app: 'none' } } }));
  await b.pass();
  assert.equal(names(b).length, 5);
  await scale(b, 4);
  const before = names(b).length;
  await b.of(resources.pods).patch('stray', 'application/merge-patch+json', { metadata: { labels: { app: 'web' } } });
  await b.pass();
  const uid = b.get(resources.replicasets, key)!.metadata.uid;
  const owned = b.list<Pod>(resources.pods).filter((p) => p.metadata.ownerReferences?.[0]?.uid === uid);
  // One too many now: the newest goes.
  assert.equal(owned.length, 4);
  assert.equal(names(b).length, before - 1);
  assert.ok(names(b).includes('theirs'));
  await b.stop();
});

test('replicaset: a pod whose labels no longer match: released, and replaced', async () => {
  const b = await bench([replicaSetController]);
  await b.of(resources.replicasets).create(replicaSet('web', { replicas: 2 }));
  await b.pass();
  const [first] = names(b);
  await b.of(resources.pods).patch(first!, 'application/merge-patch+json', { metadata: { labels: { app: 'debug' } } });
  await b.pass();
  assert.equal(names(b).length, 3);
  assert.deepEqual(b.get<Pod>(resources.pods, `default/${first}`)!.metadata.ownerReferences, []);
  await b.stop();
});

test('replicaset: it is being deleted: adopts and makes nothing', async () => {
  const b = await bench([replicaSetController]);
  await b.of(resources.replicasets).create(replicaSet('web', { replicas: 0 }));
  await b.of(resources.replicasets).delete('web', { propagationPolicy: 'Foreground' });
  await b.of(resources.pods).create(pod('orphan'));
  await b.pass();
  assert.deepEqual(names(b), ['orphan']);
  assert.equal(b.get<Pod>(resources.pods, 'default/orphan')!.metadata.ownerReferences, undefined);
  await b.stop();
});

test('replicaset: minReadySeconds: available only after, without an event to tell', async () => {
  const b = await bench([replicaSetController]);
  await b.of(resources.replicasets).create(replicaSet('web', { replicas: 1, minReadySeconds: 30 }));
  await b.pass();
  await kubelet(b)();
  const status = () => b.get<ReplicaSet>(resources.replicasets, key)!.status!;
  await b.pass(28_000);
  assert.deepEqual([status().readyReplicas, status().availableReplicas], [1, 0]);
  await b.pass(3_000);
  assert.deepEqual([status().readyReplicas, status().availableReplicas], [1, 1]);
  await b.stop();
});

test('replicaset: pods that stop or have ended: replaced, and the stopping are counted apart', async () => {
  const b = await bench([replicaSetController], { isGraceful: (o) => o.kind === 'Pod' });
  await b.of(resources.replicasets).create(replicaSet('web', { replicas: 2 }));
  await b.pass();
  const [stopping, failed] = names(b);
  await b.of(resources.pods).delete(stopping!);
  await b.setStatus(resources.pods, `default/${failed}`, { phase: 'Failed' });
  await b.pass();
  assert.equal(names(b).length, 4);
  const status = b.get<ReplicaSet>(resources.replicasets, key)!.status!;
  assert.deepEqual([status.replicas, status.terminatingReplicas], [2, 1]);
  await b.stop();
});

test('replicaset: scaled down: those that are worth least go, in order', async () => {
  const b = await bench([replicaSetController]);
  const day = (n: number) => `2025-12-0${n}T00:00:00Z`;
  const set = await b.of(resources.replicasets).create(replicaSet('web', { replicas: 5 }));
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: set.metadata.uid, controller: true };
  await b.of(resources.replicasets).patch('web', 'application/merge-patch+json', { spec: { replicas: 0 } });
  await b.pass();
  const add = (name: string, more: { spec?: object; status?: object; cost?: number }) =>
    b.client.write(
      resources.pods,
      pod(name, {
        metadata: {
          uid: name,
          ownerReferences: [owner],
          ...(more.cost && { annotations: { 'controller.kubernetes.io/pod-deletion-cost': String(more.cost) } }),
        },
        ...more,
      }),
    );
  await b.of(resources.replicasets).patch('web', 'application/merge-patch+json', { spec: { replicas: 6 } });
  b.client.intercept = (action) => {
    if (isCreate(action)) throw new Error('not now');
  };
  const on = (nodeName: string) => ({ nodeName, containers: [] });
  add('unassigned', { spec: { containers: [] }, status: { phase: 'Pending' } });
  add('pending', { spec: on('n1'), status: { phase: 'Pending' } });
  add('cheap', { spec: on('n2'), status: readyStatus(day(1)), cost: -5 });
  add('crowded', { spec: on('n1'), status: readyStatus(day(1)) });
  add('steady', { spec: on('n3'), status: readyStatus(day(1)) });
  add('young', { spec: on('n4'), status: readyStatus('2025-12-31T23:59:00Z') });
  await b.pass();
  const gone: string[] = [];
  for (let replicas = 5; replicas >= 1; replicas--) {
    const before = names(b);
    await scale(b, replicas);
    gone.push(...before.filter((n) => !names(b).includes(n)));
  }
  assert.deepEqual(gone, ['unassigned', 'pending', 'cheap', 'young', 'crowded']);
  await b.stop();
});
