/** `evenkeel up --store etcd`: Debian's etcd as its store, members killed and lost under traffic; and wrong input. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { withoutRealEtcd } from '../etcd-cluster.ts';
import {
  ControlPlane,
  evenkeel,
  evenkeelCommand,
  execute,
  freePort,
  temporaryDirectory,
  until,
} from './control-plane.ts';
import { Traffic } from './traffic.ts';

const skip = withoutRealEtcd;
/** etcd's own. The default of `up` is slower, and so would this be. */
const pace = ['--heartbeat-interval', '100', '--election-timeout', '1000'];
const names = ['etcd1', 'etcd2', 'etcd3'];
let plane: ControlPlane;

before(async () => {
  if (!skip) plane = await ControlPlane.start(['--store', 'etcd', '--masters', '1', '--nodes', '0', ...pace]);
});
after(() => plane?.destroy());

const leaderOf = (all: readonly Member[]) => all.find((m) => m.state === 'leads')!.name;

interface Member {
  name: string;
  address: string;
  state: string;
}

async function members(): Promise<Member[]> {
  const { stdout } = await evenkeel(['status', '--data-dir', plane.dataDir, '-o', 'json']);
  return JSON.parse(stdout).store.members;
}

const allWell = (): Promise<boolean> =>
  until('all members are well', async () => {
    const states = (await members()).map((m) => m.state).sort();
    return states.join() === 'follows,follows,leads';
  });

/** Every request is answered as asked, however long it takes. */
async function underTraffic(prefix: string, body: (traffic: Traffic) => Promise<void>): Promise<number> {
  const traffic = new Traffic(plane.kubeconfig, prefix);
  try {
    await traffic.start();
    await body(traffic);
    await traffic.flows();
    await traffic.stopAndVerify();
    assert.deepEqual(traffic.unknown, [], 'requests that failed');
    return traffic.longestGapMs;
  } finally {
    await traffic.stop();
  }
}

test('up --store etcd: kill -9 of each member in turn, the leader last: no request fails', { skip }, async (t) => {
  const gap = await underTraffic('kill', async (traffic) => {
    const leader = leaderOf(await members());
    for (const name of [...names.filter((n) => n !== leader), leader]) {
      const pid = plane.pidOf(name)!;
      process.kill(pid, 'SIGKILL');
      await traffic.flows();
      await plane.kubectlOk('get', 'configmaps');
      await until(`${name} runs again`, () => ![undefined, pid].includes(plane.pidOf(name)));
      await allWell();
    }
  });
  t.diagnostic(`longest time between two acknowledged writes: ${gap} ms`);
});

test('up --store etcd: a member that loses its data joins the cluster anew', { skip }, async () => {
  await underTraffic('lost', async (traffic) => {
    const [follower] = (await members()).filter((m) => m.state === 'follows');
    const pid = plane.pidOf(follower!.name)!;
    rmSync(join(plane.dataDir, 'etcd', follower!.name), { recursive: true });
    process.kill(pid, 'SIGKILL');
    await traffic.flows();
    await until('it runs again', () => ![undefined, pid].includes(plane.pidOf(follower!.name)), 60_000);
    await allWell();
  });
});

test('up --store etcd: stopped and started: its data is there; a majority without data is refused', {
  skip,
}, async () => {
  await plane.kubectlOk('create', 'configmap', 'kept');
  assert.equal(await plane.stop(), 0);
  for (const name of names) assert.equal(plane.pidOf(name), undefined, name);
  const { dataDir, port } = plane;
  const refused = async (args: string[], text: RegExp) => {
    const { code, stderr } = await evenkeel(['up', '--data-dir', dataDir, ...args]);
    assert.equal(code, 1, stderr);
    assert.match(stderr, text);
  };
  await refused(['--store', 'embedded'], /the data is in an etcd cluster and is not moved by itself/);
  await refused(['--etcd-members', '5'], /has 3 members, not 5/);

  plane = await ControlPlane.start([], dataDir, port);
  await plane.kubectlOk('get', 'configmap', 'kept');
  // Killed: what was its goes on, and `down` ends it.
  process.kill(plane.pid, 'SIGKILL');
  await until('up is gone', () => !existsSync(`/proc/${plane.pid}`));
  for (const name of names) assert.ok(plane.pidOf(name), `${name} goes on`);
  assert.equal((await evenkeel(['down', '--data-dir', dataDir])).code, 0);
  for (const name of names) assert.equal(plane.pidOf(name), undefined, name);

  for (const name of ['etcd1', 'etcd3']) rmSync(join(dataDir, 'etcd', name), { recursive: true });
  await refused([], /etcd1 and etcd3 of 3 members of etcd have lost the data .* another --data-dir/);
  for (const name of names) assert.equal(plane.pidOf(name), undefined, name);
});

test('up --store etcd: one member: it runs; wrong input: one line with the remedy', { skip }, async () => {
  const dataDir = join(temporaryDirectory(), 'data');
  const refused = async (args: string[], text: RegExp, env: NodeJS.ProcessEnv = {}) => {
    const { stderr } = await execute([...evenkeelCommand, 'up', '--data-dir', dataDir, ...args], env);
    assert.match(stderr, text);
    assert.equal(stderr.trim().split('\n').length, 1, stderr);
    assert.equal(existsSync(join(dataDir, 'controlplane.json')), false);
  };
  await refused(['--store', 'etcd', '--etcd-members', '2'], /a majority of 2 is 2, .* give 1 or 3/);
  await refused(['--store', 'etcd', '--etcd-members', '7'], /give 1, 3 or 5, not 7/);
  await refused(['--store', 'postgres'], /--store takes embedded or etcd/);
  await refused(['--etcd-members', '3'], /--etcd-members is for --store etcd/);
  await refused(['--store', 'etcd', '--election-timeout', '2000'], /less than 5 times --heartbeat-interval 500/);
  await refused(['--store', 'etcd'], /not on the PATH: apt-get install etcd-server/, { PATH: '/nonexistent' });

  const one = await ControlPlane.start(
    ['--store', 'etcd', '--etcd-members', '1', '--masters', '1', '--nodes', '0', '--election-timeout', '3000'],
    dataDir,
    await freePort(),
  );
  try {
    await one.kubectlOk('get', 'namespaces');
    const flags = readFileSync(`/proc/${one.pidOf('etcd1')}/cmdline`, 'utf8').split('\0');
    for (const flag of ['--heartbeat-interval=500', '--election-timeout=3000', '--peer-client-cert-auth=true'])
      assert.ok(flags.includes(flag), flag);
  } finally {
    await one.destroy();
    rmSync(dirname(dataDir), { recursive: true, force: true });
  }
});
