/** Members of a real etcd cluster are killed and frozen under an API server: its clients notice the time, no more. */
import { after, before, type TestContext, test } from 'node:test';
import { EtcdCluster, withoutRealEtcd } from '../etcd-cluster.ts';
import { ApiTraffic } from './api-traffic.ts';
import { ApiServerProcess } from './apiserver-process.ts';

const skip = withoutRealEtcd;
let cluster: EtcdCluster;
let apiserver: ApiServerProcess;

before(async () => {
  if (skip) return;
  const pace = process.env['EVENKEEL_ETCD_FLAGS']?.split(' ') ?? [];
  cluster = await EtcdCluster.start(3, pace);
  apiserver = await ApiServerProcess.start([
    `--etcd-servers=${cluster.endpoints.join()}`,
    `--etcd-cafile=${cluster.caFile}`,
    `--etcd-certfile=${cluster.client.cert}`,
    `--etcd-keyfile=${cluster.client.key}`,
  ]);
});
after(async () => {
  await apiserver?.stop();
  await cluster?.stop();
});

const connected = () => cluster.member(apiserver.endpointOf(cluster.endpoints));

/** The member the API server uses leads, or one that it does not use. */
async function arrange(leads: 'connected' | 'other') {
  const [used, leader] = [connected(), await cluster.leader()];
  const other = cluster.members.find((m) => m !== used)!;
  if (leads === 'connected' && leader !== used) await cluster.moveLeader(leader, used);
  if (leads === 'other' && leader === used) await cluster.moveLeader(leader, other);
  return { used: connected(), leader: await cluster.leader() };
}

async function underTraffic(t: TestContext, body: (traffic: ApiTraffic) => Promise<void>): Promise<void> {
  const traffic = new ApiTraffic(apiserver.port, 6, `t${++runs}`);
  t.after(() => traffic.stop());
  await traffic.start();
  traffic.mark();
  await body(traffic);
  await traffic.flows();
  t.diagnostic(`slowest request: ${traffic.slowest.ms} ms (${traffic.slowest.what}); ${traffic.requests} requests`);
  if (process.env['EVENKEEL_SHOW_LOG']) t.diagnostic(apiserver.log.split('\n').slice(-30).join('\n'));
  await traffic.stopAndVerify();
}
let runs = 0;

async function frozen(member: (typeof cluster.members)[number], body: () => Promise<void>): Promise<void> {
  member.child.kill('SIGSTOP');
  try {
    await body();
  } finally {
    member.child.kill('SIGCONT');
  }
}

for (const leads of ['other', 'connected'] as const) {
  const which = leads === 'connected' ? 'which leads' : 'a follower';
  test(`etcd failover: kill -9 of the member in use, ${which}`, { skip }, (t) =>
    underTraffic(t, async () => {
      const { used } = await arrange(leads);
      await cluster.kill(used);
      await cluster.leader();
      await cluster.restart(used);
    }),
  );

  test(`etcd failover: the member in use freezes, ${which}`, { skip }, (t) =>
    underTraffic(t, async (traffic) => {
      const { used } = await arrange(leads);
      await frozen(used, () => traffic.flows());
    }),
  );
}

test('etcd failover: the leader freezes, the member in use follows it', { skip }, (t) =>
  underTraffic(t, async (traffic) => {
    const { leader } = await arrange('other');
    await frozen(leader, () => traffic.flows());
  }),
);

test('etcd failover: every member is restarted, one after the other', { skip }, (t) =>
  underTraffic(t, async () => {
    for (const member of cluster.members) {
      await cluster.kill(member, 'SIGTERM');
      await cluster.leader();
      await cluster.restart(member);
    }
  }),
);
