/** Members of a real etcd cluster are killed and frozen under an API server: its clients notice the time, no more. */
import { after, before, test } from 'node:test';
import { EtcdCluster, withoutRealEtcd } from '../etcd-cluster.ts';
import { type ApiTraffic, frozen, underTraffic } from './api-traffic.ts';
import { ApiServerProcess } from './apiserver-process.ts';

const skip = withoutRealEtcd;
let cluster: EtcdCluster;
let apiserver: ApiServerProcess;

before(async () => {
  if (skip) return;
  cluster = await EtcdCluster.start(3);
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

const connected = () => cluster.member(apiserver.endpointInUse() ?? cluster.endpoints[0]!);

/** The member the API server uses leads, or another does. A change of leader may move the API server: until it holds. */
async function arrange(leads: 'connected' | 'other', traffic: ApiTraffic) {
  for (let attempt = 0; attempt < 10; attempt++) {
    const [used, leader] = [connected(), await cluster.leader()];
    if ((used === leader) === (leads === 'connected')) {
      traffic.mark();
      return { used, leader };
    }
    await cluster.moveLeader(leader, leads === 'connected' ? used : cluster.members.find((m) => m !== used)!);
    await traffic.flows();
  }
  throw new Error(`the API server's member and the leader could not be arranged`);
}

for (const leads of ['other', 'connected'] as const) {
  const which = leads === 'connected' ? 'which leads' : 'a follower';
  test(`etcd failover: kill -9 of the member in use, ${which}`, { skip }, (t) =>
    underTraffic(t, apiserver.port, async (traffic) => {
      const { used } = await arrange(leads, traffic);
      await cluster.kill(used);
      await cluster.leader();
      await cluster.restart(used);
    }),
  );

  test(`etcd failover: the member in use freezes, ${which}`, { skip }, (t) =>
    underTraffic(t, apiserver.port, async (traffic) => {
      const { used } = await arrange(leads, traffic);
      await frozen(used.child, () => traffic.flows());
    }),
  );
}

test('etcd failover: the leader freezes, the member in use follows it', { skip }, (t) =>
  underTraffic(t, apiserver.port, async (traffic) => {
    const { leader } = await arrange('other', traffic);
    await frozen(leader.child, () => traffic.flows());
  }),
);

test('etcd failover: every member is restarted, one after the other', { skip }, (t) =>
  underTraffic(t, apiserver.port, async () => {
    for (const member of cluster.members) {
      await cluster.kill(member, 'SIGTERM');
      await cluster.leader();
      await cluster.restart(member);
    }
  }),
);
