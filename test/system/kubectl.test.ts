/** Real kubectl and helm against a real control plane: the article's commands, and a day of ordinary work. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ControlPlane, execute, kubectlPath, root, until } from './control-plane.ts';

let plane: ControlPlane;
before(async () => {
  plane = await ControlPlane.start();
});
after(() => plane?.destroy());

const json = async (...args: string[]) => JSON.parse(await plane.kubectlOk(...args, '-o', 'json'));

test('article: the leader of the scheduler is on its Lease', async () => {
  const table = await plane.kubectlOk('get', 'leases', '-n', 'kube-system');
  assert.match(table, /^NAME\s+HOLDER\s+AGE/m);
  assert.match(table, /^kube-scheduler\s+master[123]\S*\s+\d+/m);
  assert.match(table, /^kube-controller-manager\s+master[123]/m);
  const lease = await json('get', 'lease', 'kube-scheduler', '-n', 'kube-system');
  assert.equal(lease.spec.leaseDurationSeconds, 15);
});

test('article: scheduling latency is among the metrics', async () => {
  assert.match(await plane.kubectlOk('get', '--raw', '/metrics'), /scheduler_scheduling_algorithm_duration_seconds/);
});

test('article: livez answers through the load balancer, to anyone', async () => {
  const { stdout } = await execute(['curl', '-sk', `https://127.0.0.1:${plane.port}/livez`]);
  assert.equal(stdout, 'ok');
  const verbose = await execute(['curl', '-sk', `https://127.0.0.1:${plane.port}/readyz?verbose`]);
  assert.match(verbose.stdout, /^\[\+\]etcd ok$/m);
  const secret = await execute(['curl', '-sk', `https://127.0.0.1:${plane.port}/api/v1/secrets`]);
  assert.equal(JSON.parse(secret.stdout).code, 401);
  const version = await execute(['curl', '-sk', `https://127.0.0.1:${plane.port}/version`]);
  assert.equal(JSON.parse(version.stdout).code, 401);
});

test('article: the endpoints of the kubernetes service are the three API servers', async () => {
  const endpoints = await json('get', 'endpoints', '-n', 'default', 'kubernetes');
  const ips = endpoints.subsets[0].addresses.map((a: { ip: string }) => a.ip);
  assert.deepEqual(ips, ['127.0.1.1', '127.0.1.2', '127.0.1.3']);
});

test('article: a deleted API server pod comes back', async () => {
  const name = 'kube-apiserver-master1';
  await until(
    'the mirror pod is there',
    async () => (await plane.kubectl('get', 'pod', '-n', 'kube-system', name)).code === 0,
  );
  const pid = plane.pidOf(name);
  assert.ok(pid);
  await plane.kubectlOk('delete', 'pod', '-n', 'kube-system', name, '--force');
  const next = await until('another process', () => plane.pidOf(name) !== pid && plane.pidOf(name));
  assert.notEqual(next, pid);
  await until('the endpoint is back', async () => {
    const endpoints = await json('get', 'endpoints', '-n', 'default', 'kubernetes');
    return endpoints.subsets[0].addresses.length === 3;
  });
});

test('kubectl: nodes: simulated ones are ready, masters are tainted', async () => {
  const table = await plane.kubectlOk('get', 'nodes');
  assert.match(table, /^node1\s+Ready/m);
  await until('master1 is ready', async () =>
    /^master1\s+Ready\s+control-plane/m.test(await plane.kubectlOk('get', 'nodes')),
  );
});

test('kubectl: deployment: ten replicas to Available, rolled out, undone, scaled, deleted', async () => {
  await plane.kubectlOk('create', 'deployment', 'web', '--image=nginx:1', '--replicas=10');
  await plane.kubectlOk('wait', '--for=condition=Available', 'deployment/web', '--timeout=60s');
  assert.match(
    await plane.kubectlOk('rollout', 'status', 'deployment/web', '--timeout=60s'),
    /successfully rolled out/,
  );
  const pods = await json('get', 'pods', '-l', 'app=web');
  assert.equal(pods.items.length, 10);
  const nodes = new Set(pods.items.map((p: { spec: { nodeName: string } }) => p.spec.nodeName));
  assert.ok(
    [...nodes].every((n) => /^node\d$/.test(String(n))),
    'pods run on the simulated nodes',
  );

  await plane.kubectlOk('set', 'image', 'deployment/web', 'nginx=nginx:2');
  await plane.kubectlOk('rollout', 'status', 'deployment/web', '--timeout=60s');
  assert.match(await plane.kubectlOk('rollout', 'history', 'deployment/web'), /^1 .*\n2 /m);
  await plane.kubectlOk('rollout', 'undo', 'deployment/web');
  await plane.kubectlOk('rollout', 'status', 'deployment/web', '--timeout=60s');
  const deployment = await json('get', 'deployment', 'web');
  assert.equal(deployment.spec.template.spec.containers[0].image, 'nginx:1');

  await plane.kubectlOk('scale', 'deployment/web', '--replicas=3');
  await until('three pods are left', async () => (await json('get', 'pods', '-l', 'app=web')).items.length === 3);
  await until('the status says so', async () =>
    /^web\s+3\/3\s+3\s+3/m.test(await plane.kubectlOk('get', 'deployment', 'web')),
  );
  assert.match(await plane.kubectlOk('describe', 'deployment', 'web'), /ScalingReplicaSet/);
  await plane.kubectlOk('delete', 'deployment', 'web');
  await until('the pods are gone', async () => (await json('get', 'pods', '-l', 'app=web')).items.length === 0);
});

test('kubectl: apply, diff of fields, label, annotate, edit, patch: each does what it says', async () => {
  const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data: { a: '1', b: '2' } };
  assert.match(await plane.applyOk(configMap), /created/);
  assert.match(await plane.applyOk(configMap), /unchanged/);
  assert.match(await plane.applyOk({ ...configMap, data: { a: '1' } }), /configured/);
  assert.deepEqual((await json('get', 'cm', 'settings')).data, { a: '1' });
  await plane.kubectlOk('label', 'cm', 'settings', 'team=red');
  await plane.kubectlOk('annotate', 'cm', 'settings', 'why=because');
  await plane.kubectlOk('patch', 'cm', 'settings', '--type=json', '-p', '[{"op":"add","path":"/data/c","value":"3"}]');
  const edit = await execute([kubectlPath, 'edit', 'cm', 'settings'], {
    KUBECONFIG: plane.kubeconfig,
    KUBE_EDITOR: 'sed -i s/because/reasons/',
  });
  assert.equal(edit.code, 0, edit.stderr);
  const result = await json('get', 'cm', 'settings');
  assert.deepEqual(result.data, { a: '1', c: '3' });
  assert.equal(result.metadata.labels.team, 'red');
  assert.equal(result.metadata.annotations.why, 'reasons');
  assert.match(
    await plane.applyOk({ ...configMap, data: { z: '9' } }, '--server-side', '--force-conflicts'),
    /serverside-applied/,
  );
  await plane.kubectlOk('delete', 'cm', 'settings');
});

test('kubectl: server-side apply: drops what is left out, and names who else wants a field', async () => {
  const configMap = (data: object) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'applied' }, data });
  await plane.applyOk(configMap({ a: '1', b: '2' }), '--server-side');
  await plane.applyOk(configMap({ a: '1' }), '--server-side');
  assert.deepEqual((await json('get', 'cm', 'applied')).data, { a: '1' });
  await plane.kubectlOk('patch', 'cm', 'applied', '--type=merge', '-p', '{"data":{"a":"9"}}');
  const file = JSON.stringify(configMap({ a: '1' }));
  const env = { KUBECONFIG: plane.kubeconfig };
  const refused = await execute([kubectlPath, 'apply', '--server-side', '-f', '-'], env, 60_000, file);
  assert.match(refused.stderr, /1 conflict: conflict with "kubectl-patch" using v1: \.data\.a/);
  await plane.kubectlOk('delete', 'cm', 'applied');
});

test('kubectl: client-side apply, then server-side: no conflict with oneself', async () => {
  const configMap = (data: object) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'moved' }, data });
  await plane.applyOk(configMap({ a: '1', b: '2' }));
  await plane.applyOk(configMap({ a: '3' }), '--server-side');
  assert.deepEqual((await json('get', 'cm', 'moved')).data, { a: '3' });
  await plane.kubectlOk('delete', 'cm', 'moved');
});

test('kubectl: get -w: sees an object come, change and go', async () => {
  const watcher = spawn(
    kubectlPath,
    ['get', 'cm', '-w', '--output-watch-events', '-n', 'default', '--field-selector=metadata.name=seen'],
    {
      env: { ...process.env, KUBECONFIG: plane.kubeconfig },
    },
  );
  let output = '';
  watcher.stdout.on('data', (chunk) => {
    output += chunk;
  });
  try {
    await new Promise((resolve) => setTimeout(resolve, 500));
    await plane.kubectlOk('create', 'cm', 'seen', '--from-literal=a=1');
    await plane.kubectlOk('label', 'cm', 'seen', 'x=y');
    await plane.kubectlOk('delete', 'cm', 'seen');
    await until('all three events', () => /ADDED[\s\S]*MODIFIED[\s\S]*DELETED/.test(output));
  } finally {
    watcher.kill('SIGKILL');
  }
});

test('kubectl: explain and api-resources: know the types', async () => {
  assert.match(await plane.kubectlOk('explain', 'deployment.spec.strategy'), /rollingUpdate/);
  const resources = await plane.kubectlOk('api-resources');
  for (const name of ['pods', 'deployments', 'leases', 'flowschemas'])
    assert.match(resources, new RegExp(`^${name}\\s`, 'm'));
});

test('kubectl: expose: endpoints and slices follow the pods', async () => {
  await plane.kubectlOk('create', 'deployment', 'svc', '--image=nginx', '--replicas=2', '--port=80');
  await plane.kubectlOk('expose', 'deployment', 'svc', '--port=80', '--target-port=80');
  await until('two endpoints', async () => {
    const endpoints = await json('get', 'endpoints', 'svc');
    return endpoints.subsets?.[0]?.addresses?.length === 2;
  });
  await until('two endpoints in the slice', async () => {
    const slices = await json('get', 'endpointslices', '-l', 'kubernetes.io/service-name=svc');
    return slices.items[0]?.endpoints.length === 2;
  });
  assert.match((await json('get', 'svc', 'svc')).spec.clusterIP, /^10\.96\./);
  await plane.kubectlOk('delete', 'svc,deployment', 'svc');
});

test('kubectl: a pod that fits nowhere: says why, and runs when it fits', async () => {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'picky' },
    spec: { nodeSelector: { disk: 'ssd' }, containers: [{ name: 'c', image: 'x' }] },
  };
  await plane.applyOk(pod);
  const condition = await until('the condition', async () =>
    (await json('get', 'pod', 'picky')).status.conditions?.find(
      (c: { reason?: string }) => c.reason === 'Unschedulable',
    ),
  );
  assert.match(condition.message, /0\/\d+ nodes are available/);
  await until('the event', async () => /FailedScheduling/.test(await plane.kubectlOk('get', 'events')));
  await plane.kubectlOk('label', 'node', 'node2', 'disk=ssd');
  await plane.kubectlOk('wait', '--for=condition=Ready', 'pod/picky', '--timeout=30s');
  assert.equal((await json('get', 'pod', 'picky')).spec.nodeName, 'node2');
  await plane.kubectlOk('delete', 'pod', 'picky');
});

test('kubectl: namespace: comes with its account and root CA, and goes with all that is in it', async () => {
  await plane.kubectlOk('create', 'namespace', 'team');
  await plane.kubectlOk('create', 'cm', 'x', '-n', 'team');
  await until('default account', async () => (await plane.kubectl('get', 'sa', 'default', '-n', 'team')).code === 0);
  await until('root CA', async () => (await plane.kubectl('get', 'cm', 'kube-root-ca.crt', '-n', 'team')).code === 0);
  await plane.kubectlOk('create', 'deployment', 'd', '--image=x', '-n', 'team');
  await plane.kubectlOk('delete', 'namespace', 'team', '--timeout=60s');
  assert.match((await plane.kubectl('get', 'namespace', 'team')).stderr, /NotFound/);
});

test('kubectl: service account token: is who it says, and may what its role says', async () => {
  await plane.kubectlOk('create', 'sa', 'robot');
  await plane.kubectlOk('create', 'role', 'reader', '--verb=get,list', '--resource=configmaps');
  await plane.kubectlOk('create', 'rolebinding', 'reader', '--role=reader', '--serviceaccount=default:robot');
  const token = (await plane.kubectlOk('create', 'token', 'robot')).trim();
  const as = (...args: string[]) =>
    plane.kubectl(
      '--token',
      token,
      '--kubeconfig',
      '/dev/null',
      '--server',
      `https://127.0.0.1:${plane.port}`,
      '--certificate-authority',
      join(plane.dataDir, 'pki/ca.crt'),
      ...args,
    );
  assert.match((await as('auth', 'whoami')).stdout, /system:serviceaccount:default:robot/);
  await until('the role holds', async () => (await as('get', 'cm')).code === 0);
  assert.match((await as('get', 'secrets')).stderr, /Forbidden.*cannot list resource "secrets"/);
});

test('helm: a small chart: installed, upgraded, listed, uninstalled', async () => {
  const chart = join(plane.dataDir, 'chart');
  cpSync(join(root, 'test', 'system', 'chart'), chart, { recursive: true });
  const install = await plane.helm('install', 'demo', chart, '--wait', '--timeout', '60s');
  assert.equal(install.code, 0, install.stderr);
  assert.match((await plane.helm('list')).stdout, /demo.*deployed/);
  const values = ['--set', 'replicas=3', '--set', 'farewell='];
  const upgrade = await plane.helm('upgrade', 'demo', chart, ...values, '--wait', '--timeout', '60s');
  assert.equal(upgrade.code, 0, upgrade.stderr);
  const deployment = await json('get', 'deployment', 'demo');
  assert.equal(deployment.status.availableReplicas, 3);
  // What the chart no longer has is gone.
  assert.deepEqual(deployment.spec.template.spec.containers[0].env, [{ name: 'GREETING', value: 'hello' }]);
  assert.deepEqual((await json('get', 'cm', 'demo')).data, { greeting: 'hello' });
  assert.equal((await plane.helm('uninstall', 'demo')).code, 0);
});
