import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { silentLogger } from '#base/log.ts';
import { runAll } from '#base/runnable.ts';
import { FakeClient } from '#client/testing/fake-client.ts';
import { realClock } from '#os/real-clock.ts';
import { apiReporter } from '../node/api-reporter.ts';
import { annotations, type Pod } from '../pod.ts';
import { FakeProcesses } from '../testing/fake-processes.ts';
import { eventually, supervision } from '../testing/fixtures.ts';
import { StaticPods } from './static-pods.ts';

const podsResource = { group: '', version: 'v1', resource: 'pods' };
const nodesResource = { group: '', version: 'v1', resource: 'nodes' };

/** A kubelet over pretended processes and a pretended API, with one manifest. */
async function begin(t: TestContext, client = new FakeClient()) {
  const processes = new FakeProcesses();
  const context = supervision(realClock, processes);
  const directory = join(context.root, 'manifests');
  mkdirSync(directory);
  const write = (program: string) =>
    writeFileSync(
      join(directory, 'web.yaml'),
      `{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: kube-system}, spec: {containers: [{name: c, command: [${program}]}]}}`,
    );
  write('first');
  const log = silentLogger;
  const staticPods = new StaticPods({ context, directory, nodeName: 'm1', log, stopPodsOnExit: true });
  const node = { name: 'm1', ip: '10.0.0.1', labels: { role: 'x' }, taints: [], capacity: { pods: '1' } };
  const api = { register: true, statusUpdateMs: 10_000, clock: realClock, random: Math.random, log };
  const reporter = apiReporter({ client, node, staticPods, ...api });
  const stop = new AbortController();
  const running = runAll([...reporter.parts, staticPods], stop.signal);
  t.after(async () => {
    stop.abort();
    await running;
  });
  const pods = client.resource<Pod>(podsResource, 'kube-system');
  const mirror = (): Promise<Pod | undefined> => pods.get('web-m1').catch(() => undefined);
  const runningMirror = (not?: string) =>
    eventually(async () => {
      const pod = await mirror();
      return pod?.metadata.uid !== not && pod?.status?.phase === 'Running' ? pod : undefined;
    }, 'a running mirror pod');
  return { client, processes, write, directory, pods, mirror, runningMirror };
}

test('kubelet: mirror pod: shows the static pod with its true status', async (t) => {
  const { client, runningMirror } = await begin(t);
  const pod = await runningMirror();
  const node = await client.resource(nodesResource).get('m1');
  assert.equal(pod.spec.nodeName, 'm1');
  assert.deepEqual(pod.metadata.ownerReferences, [
    { apiVersion: 'v1', kind: 'Node', name: 'm1', uid: node.metadata.uid, controller: true },
  ]);
  const { configHash, configMirror, configSource } = annotations;
  assert.equal(pod.metadata.annotations?.[configMirror], pod.metadata.annotations?.[configHash]);
  assert.equal(pod.metadata.annotations?.[configSource], 'file');
  assert.equal(pod.status?.podIP, '127.0.0.1');
  assert.equal(pod.status?.conditions?.find((c) => c.type === 'Ready')?.status, 'True');
  const [container] = pod.status!.containerStatuses!;
  assert.ok(container?.state.running && container.ready && container.started);
});

test('kubelet: mirror pod: a restart is seen', async (t) => {
  const { processes, runningMirror, mirror } = await begin(t);
  await runningMirror();
  processes.last.exit({ exitCode: 7 });
  const pod = await eventually(async () => {
    const seen = await mirror();
    return seen?.status?.containerStatuses?.[0]?.restartCount === 1 ? seen : undefined;
  }, 'the restart in the status');
  await eventually(async () => (await mirror())?.status?.containerStatuses?.[0]?.ready, 'ready again');
  assert.equal(pod.status?.containerStatuses?.[0]?.lastState.terminated?.exitCode, 7);
});

test('kubelet: mirror pod: deleting it restarts the static pod once and makes it anew', async (t) => {
  const { processes, pods, runningMirror } = await begin(t);
  const first = await runningMirror();
  await pods.delete('web-m1', { gracePeriodSeconds: 0 });
  await runningMirror(first.metadata.uid);
  assert.deepEqual(processes.started[0]!.signals, ['TERM']);
  assert.equal(processes.started.length, 2);
});

test('kubelet: mirror pod: a graceful deletion is carried out', async (t) => {
  const { client, processes, pods, runningMirror } = await begin(t);
  const first = await runningMirror();
  const terminating = structuredClone(first);
  Object.assign(terminating.metadata, { deletionTimestamp: '2026-01-01T00:00:30Z', deletionGracePeriodSeconds: 30 });
  client.write(podsResource, terminating);
  await runningMirror(first.metadata.uid);
  assert.equal(processes.started.length, 2);
  assert.equal((await pods.list()).items.length, 1);
});

test('kubelet: mirror pod: an edited manifest replaces it without a restart of the new pod', async (t) => {
  const { processes, write, runningMirror } = await begin(t);
  const first = await runningMirror();
  write('second');
  const second = await runningMirror(first.metadata.uid);
  assert.notEqual(
    second.metadata.annotations?.[annotations.configHash],
    first.metadata.annotations?.[annotations.configHash],
  );
  assert.deepEqual(
    processes.started.map((p) => p.spec.command[0]),
    ['first', 'second'],
  );
});

test('kubelet: mirror pod: one found missing after the store was restored restarts nothing', async (t) => {
  const { client, processes, runningMirror } = await begin(t);
  const first = await runningMirror();
  client.drop(podsResource, first);
  client.compact();
  client.breakWatches();
  await runningMirror(first.metadata.uid);
  assert.equal(processes.started.length, 1);
});

test('kubelet: mirror pod: of a static pod that no longer exists: removed', async (t) => {
  const client = new FakeClient();
  client.write(podsResource, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'old-m1', namespace: 'kube-system', uid: 'u', annotations: { [annotations.configMirror]: 'h' } },
    spec: { nodeName: 'm1', containers: [] },
  });
  const { pods, runningMirror } = await begin(t, client);
  await runningMirror();
  const names = async () => (await pods.list()).items.map((p) => p.metadata.name);
  await eventually(async () => (await names()).join() === 'web-m1', 'only the wanted mirror is left');
});

test('kubelet: api: being away holds up no static pod', async (t) => {
  let isAway = true;
  const client = new FakeClient({
    intercept: () => {
      if (isAway) throw new Error('connection refused');
    },
  });
  const { processes, runningMirror } = await begin(t, client);
  assert.equal(processes.started.length, 1);
  processes.last.exit({ exitCode: 1 });
  await eventually(() => processes.started.length === 2, 'restarted');
  isAway = false;
  const pod = await runningMirror();
  assert.equal(pod.status?.containerStatuses?.[0]?.restartCount, 1);
});

test('kubelet: api: a pod that the scheduler bound here is simulated', async (t) => {
  const { client, runningMirror } = await begin(t);
  await runningMirror();
  const pods = client.resource<Pod>(podsResource, 'default');
  const spec = { nodeName: 'm1', containers: [{ name: 'c', image: 'nginx' }] };
  await pods.create({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec });
  const pod = await eventually(async () => {
    const seen = await pods.get('p');
    return seen.status?.phase === 'Running' ? seen : undefined;
  }, 'it runs');
  assert.match(pod.status!.podIP!, /^10\.243\./);
});
