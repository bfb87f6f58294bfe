/** Reads and watches through real grpc-proxies, which are killed and frozen; writes go to the members. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { EtcdCluster, withoutRealEtcd } from '../etcd-cluster.ts';
import { frozen, underTraffic } from './api-traffic.ts';
import { ApiServerProcess } from './apiserver-process.ts';
import { until } from './control-plane.ts';

const skip = withoutRealEtcd;
type Proxy = Awaited<ReturnType<EtcdCluster['startProxy']>>;
let cluster: EtcdCluster;
let proxies: Proxy[] = [];
let apiserver: ApiServerProcess;

before(async () => {
  if (skip) return;
  cluster = await EtcdCluster.start(3);
  proxies = [await cluster.startProxy(), await cluster.startProxy()];
  apiserver = await ApiServerProcess.start(flags(proxies, cluster.members));
  await until('the proxies are in use', () => inUse() !== undefined);
});
after(async () => {
  await apiserver?.stop();
  await cluster?.stop();
});

const flags = (readServers: readonly Proxy[], members: EtcdCluster['members']) => [
  `--etcd-servers=${members.map((m) => m.endpoint).join()}`,
  `--etcd-read-servers=${readServers.map((p) => p.endpoint).join()}`,
  `--etcd-cafile=${cluster.caFile}`,
  `--etcd-certfile=${cluster.client.cert}`,
  `--etcd-keyfile=${cluster.client.key}`,
];

/** Undefined: the members are read from. */
const inUse = () => {
  const endpoint = apiserver.endpointInUse('reads') ?? proxies[0]!.endpoint;
  return proxies.find((p) => p.endpoint === endpoint);
};

/** Requests that came to the one member behind this proxy, by method; the proxy hands out the member's metrics. */
async function received(proxy: Proxy): Promise<Map<string, number>> {
  const text = await (await fetch(`${proxy.endpoint}/metrics`)).text();
  const pattern = /^grpc_server_started_total\{grpc_method="(\w+)",.*\} (\d+)$/gm;
  const counts = new Map([...text.matchAll(pattern)].map(([, method, count]) => [method!, Number(count)]));
  // The proxy makes one stream of all watches: they are counted where they end.
  return counts.set('watchers', Number(/^etcd_debugging_mvcc_watcher_total (\d+)$/m.exec(text)![1]));
}

test('etcd read servers: reads and the watch go through a proxy, no write does', { skip }, async (t) => {
  // Not the one that the other API server writes to.
  const written = apiserver.endpointInUse() ?? cluster.endpoints[0];
  const behind = cluster.members.find((m) => m.endpoint !== written)!;
  const others = cluster.members.filter((m) => m !== behind);
  const proxy = await cluster.startProxy([behind.endpoint]);
  await until('the proxy serves', () => received(proxy));
  const before = await received(proxy);
  const server = await ApiServerProcess.start(flags([proxy], others));
  t.after(() => server.stop());
  await underTraffic(t, server.port, (traffic) => traffic.flows());
  const after = await received(proxy);
  const came = (method: string) => after.get(method)! - before.get(method)!;
  assert.ok(came('Range') > 10, `${came('Range')} ranges`);
  assert.equal(came('watchers'), 1);
  for (const method of ['Txn', 'Put', 'LeaseGrant', 'Compact']) assert.equal(came(method), 0, method);
});

test('etcd read servers: the proxy in use is killed, then it freezes: the other takes its place', { skip }, (t) =>
  underTraffic(t, apiserver.port, async (traffic) => {
    const first = inUse()!;
    first.child.kill('SIGKILL');
    await until('the other is in use', () => inUse() && inUse() !== first);
    first.restart();
    await traffic.flows();
    await frozen(inUse()!.child, () => traffic.flows());
  }),
);

test('etcd read servers: all away: the members are read from, until a proxy is back', { skip }, (t) =>
  underTraffic(t, apiserver.port, async (traffic) => {
    for (const proxy of proxies) proxy.child.kill('SIGKILL');
    await until('a member is in use', () => inUse() === undefined);
    await traffic.flows();
    assert.ok(await apiserver.isReady());
    proxies[1]!.restart();
    await until('a proxy is in use again', () => inUse() === proxies[1]);
    proxies[0]!.restart();
  }),
);

test('etcd read servers: the leader is killed behind the proxies', { skip }, (t) =>
  underTraffic(t, apiserver.port, async (traffic) => {
    const leader = await cluster.leader();
    await cluster.kill(leader);
    await traffic.flows();
    await cluster.restart(leader);
  }),
);

test('etcd read servers: no quorum: not ready', { skip }, async () => {
  assert.ok(await apiserver.isReady());
  for (const member of cluster.members.slice(0, 2)) await cluster.kill(member);
  await until('it is not ready', async () => !(await apiserver.isReady()));
  for (const member of cluster.members.slice(0, 2)) void cluster.restart(member).catch(() => {});
  await until('it is ready', () => apiserver.isReady());
});
