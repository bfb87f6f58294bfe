/** kill -9 of everything, one at a time, with clients writing and watching throughout. */
import assert from 'node:assert/strict';
import { after, before, type TestContext, test } from 'node:test';
import { ControlPlane, until } from './control-plane.ts';
import { Traffic } from './traffic.ts';

let plane: ControlPlane;
before(async () => {
  plane = await ControlPlane.start();
});
after(() => plane?.destroy());

async function kill(name: string): Promise<number> {
  const pid = await until(`${name} runs`, () => plane.pidOf(name));
  process.kill(pid, 'SIGKILL');
  return pid;
}

const restarted = (name: string, old: number) =>
  until(`${name} runs again`, () => {
    const pid = plane.pidOf(name);
    return pid !== undefined && pid !== old;
  });

const leaderOf = async (lease: string) =>
  (await plane.kubectlOk('get', 'lease', lease, '-n', 'kube-system', '-o', 'jsonpath={.spec.holderIdentity}')).split(
    '_',
  )[0]!;

async function startTraffic(t: TestContext, prefix: string): Promise<Traffic> {
  const traffic = new Traffic(plane.kubeconfig, prefix);
  t.after(() => traffic.stop());
  await traffic.start();
  return traffic;
}

/** Something new is scheduled and runs. */
async function assertSchedules(name: string): Promise<void> {
  await plane.kubectlOk('run', name, '--image=x', '--restart=Never');
  await plane.kubectlOk('wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s');
  await plane.kubectlOk('delete', 'pod', name, '--wait=false');
}

/** The controllers make the pods, the scheduler gives them nodes. */
async function assertRollsOut(name: string): Promise<void> {
  await plane.kubectlOk('create', 'deployment', name, '--image=x', '--replicas=3');
  await plane.kubectlOk('rollout', 'status', `deployment/${name}`, '--timeout=60s');
  await plane.kubectlOk('delete', 'deployment', name);
}

test('kill -9: each API server in turn: no acknowledged write is lost, watches resume', async (t) => {
  const traffic = await startTraffic(t, 'apiserver');
  for (const master of plane.masters) {
    const pid = await kill(`kube-apiserver-${master.name}`);
    await traffic.flows();
    await restarted(`kube-apiserver-${master.name}`, pid);
    await until(
      'all three are ready',
      async () => {
        const text = await plane.kubectlOk(
          'get',
          'endpoints',
          'kubernetes',
          '-o',
          'jsonpath={.subsets[0].addresses[*].ip}',
        );
        return text.split(' ').length === 3;
      },
      60_000,
    );
  }
  await traffic.stopAndVerify();
});

const elected = ['kube-scheduler', 'kube-controller-manager'];
const leadersNow = () => Promise.all(elected.map(async (name) => `${name}-${await leaderOf(name)}`));

test('kill -9: the leading scheduler and controller manager: others take over, deployments roll out', async (t) => {
  const traffic = await startTraffic(t, 'leaders');
  for (const leader of await leadersNow()) await kill(leader);
  await assertRollsOut('after-kill');
  await traffic.stopAndVerify();
});

test('frozen: the leading scheduler and controller manager: others take over, who thaws does not lead', async (t) => {
  const traffic = await startTraffic(t, 'frozen');
  const before = await leadersNow();
  const pids = before.map((name) => plane.pidOf(name)!);
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  await assertRollsOut('while-frozen');
  const others = await leadersNow();
  for (const [i, other] of others.entries()) assert.notEqual(other, before[i]);
  // Their kubelet may have found them frozen and begun anew; then there is nobody to thaw.
  for (const [i, pid] of pids.entries()) if (plane.pidOf(before[i]!) === pid) process.kill(pid, 'SIGCONT');
  await assertRollsOut('after-thaw');
  assert.deepEqual(await leadersNow(), others);
  await traffic.stopAndVerify();
});

test('kill -9: the load balancer: its kubelet brings it back', async (t) => {
  const traffic = await startTraffic(t, 'lb');
  const pid = await kill('kube-lb-master1');
  await restarted('kube-lb-master1', pid);
  await traffic.flows();
  await traffic.stopAndVerify();
});

test('kill -9: the store: comes back with everything it acknowledged', async (t) => {
  const traffic = await startTraffic(t, 'store');
  const pid = await kill('etcd');
  await restarted('etcd', pid);
  await traffic.flows();
  await assertSchedules('after-store');
  await traffic.stopAndVerify();
});

test('kill -9: a kubelet: its successor adopts what runs', async (t) => {
  const traffic = await startTraffic(t, 'kubelet');
  const components = ['kube-apiserver-master2', 'kube-scheduler-master2', 'kube-controller-manager-master2'];
  const before = components.map((name) => plane.pidOf(name));
  const pid = await kill('kubelet-master2');
  await restarted('kubelet-master2', pid);
  await assertSchedules('after-kubelet');
  assert.deepEqual(
    components.map((name) => plane.pidOf(name)),
    before,
    'the pods were not restarted',
  );
  // The successor really watches over them.
  const apiserver = await kill('kube-apiserver-master2');
  await restarted('kube-apiserver-master2', apiserver);
  await traffic.flows();
  await traffic.stopAndVerify();
});
