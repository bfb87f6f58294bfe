/** What is held to its promises, and what is done to it meanwhile. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { silentLogger } from '#base/log.ts';
import { freePort } from '#base/testing/free-port.ts';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import { createClient } from '#client/rest.ts';
import { ApiTarget, configMapContents, configMapPrefix } from '#drills/model/api-target.ts';
import type { StoreHistory } from '#drills/model/history.ts';
import type { Target, TargetServer } from '#drills/model/target.ts';
import { createEtcdClient, type EtcdClient } from '#etcd/client.ts';
import { realClock } from '#os/real-clock.ts';
import { EtcdCluster, withoutRealEtcd } from '../etcd-cluster.ts';
import { type OurEtcd, startOurEtcd, startRealEtcd } from '../etcd-processes.ts';
import { ControlPlane, until } from '../system/control-plane.ts';
import { type EtcdServer, EtcdTarget, type EtcdTargetOptions, storedOf } from './etcd-target.ts';
import { Truth } from './truth.ts';

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly skip: string | false;
  /** What it runs is known to break promises. */
  readonly onlyByName?: boolean;
  start(): Promise<Running>;
}

export interface Running {
  readonly target: Target;
  readonly faults: readonly Fault[];
  /** Keys that only the recorded clients write. */
  isOurs(key: string): boolean;
  truth(): Promise<StoreHistory>;
  stop(): Promise<void>;
}

export interface Fault {
  readonly name: string;
  /** Resolves when everything runs again. */
  inflict(): Promise<void>;
}

const frozenMs = 1500;
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export const scenarios: readonly Scenario[] = [
  { name: 'etcd', title: 'real etcd, one member', skip: withoutRealEtcd, start: () => startOneMember() },
  {
    name: 'etcd-progress',
    title: 'real etcd, asked for its progress: releases before 3.4.25 and 3.5.8 answer too early',
    skip: withoutRealEtcd,
    onlyByName: true,
    start: () => startOneMember(true),
  },
  {
    name: 'etcd-cluster',
    title: 'real etcd, three members, killed and frozen',
    skip: withoutRealEtcd,
    start: startCluster,
  },
  { name: 'embedded', title: 'the embedded store, killed and frozen', skip: false, start: startEmbedded },
  {
    name: 'control-plane',
    title: 'three API servers and the load balancer, all killed and frozen',
    skip: false,
    start: startControlPlane,
  },
];

async function startOneMember(asksForProgress = false): Promise<Running> {
  const etcd = await startRealEtcd();
  return onEtcd([{ name: 'etcd', endpoints: [etcd.endpoint] }], [], () => etcd.stop(), { asksForProgress });
}

async function startCluster(): Promise<Running> {
  const cluster = await EtcdCluster.start(3);
  const servers: EtcdServer[] = cluster.members.map(({ name, endpoint }) => ({ name, endpoints: [endpoint] }));
  const any: EtcdServer = { name: 'any member', endpoints: cluster.endpoints, isBalancer: true };
  let lives = 0;
  const faults = cluster.members.flatMap((member, i) => [
    {
      name: `kill -9 ${member.name}`,
      async inflict() {
        // A member that starts again may serve older states than it did: it is another server.
        servers[i]!.name = `${member.name}.${++lives}`;
        await cluster.kill(member);
        await pause(300);
        await cluster.restart(member);
      },
    },
    freeze(member.name, () => member.child.pid!),
  ]);
  return onEtcd([...servers, any], faults, () => cluster.stop(), { tls: cluster.tls() });
}

async function startEmbedded(): Promise<Running> {
  const listen = [`--listen-client-urls=http://127.0.0.1:${await freePort()}`];
  let etcd: OurEtcd = await startOurEtcd(listen);
  const { dataDir, endpoint } = etcd;
  const first = etcd;
  const faults = [
    {
      name: 'kill -9 the store',
      async inflict() {
        await etcd.end('SIGKILL');
        etcd = await startOurEtcd(listen, dataDir);
      },
    },
    freeze('the store', () => etcd.child.pid!),
  ];
  const stop = async () => {
    await etcd.stop();
    await first.stop();
  };
  return onEtcd([{ name: 'store', endpoints: [endpoint] }], faults, stop, { asksForProgress: true });
}

async function onEtcd(
  servers: EtcdServer[],
  faults: Fault[],
  stop: () => Promise<void>,
  options: EtcdTargetOptions = {},
): Promise<Running> {
  const target = new EtcdTarget(servers, options);
  const etcd = target.client(servers.at(-1)!, 'truth');
  const { prefix } = target;
  const decode = (kv: Parameters<typeof storedOf>[0]) => storedOf(kv);
  const truth = await Truth.begin(etcd, { prefix, decode, keyOf: (key) => key });
  return {
    target,
    faults,
    isOurs: () => true,
    truth: () => truth.end(),
    async stop() {
      target.close();
      await stop();
    },
  };
}

const namespace = 'consistency';

async function startControlPlane(): Promise<Running> {
  const plane = await ControlPlane.start(['--nodes', '0']);
  try {
    const config = await loadKubeconfig(plane.kubeconfig);
    const addresses = new Map(plane.masters.map((m) => [m.name, m.address]));
    const servers: TargetServer[] = [
      ...plane.masters.map(({ name }) => ({ name })),
      { name: 'load balancer', isBalancer: true },
    ];
    const connect = ({ name }: TargetServer) => {
      const address = addresses.get(name);
      const server = address === undefined ? config.server : serverAt(address, plane.port);
      const options = { clock: realClock, log: silentLogger, userAgent: 'consistency', timeoutMs: 5000 };
      return createClient({ ...config, server }, options);
    };
    const target = new ApiTarget({ namespace, servers, connect });
    const admin = connect(servers.at(-1)!);
    const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } };
    await admin.raw('POST', '/api/v1/namespaces', { body });
    admin.close();
    const etcd = storeClient(plane);
    const truth = await Truth.begin(etcd, {
      prefix: `/registry/${target.prefix}`,
      keyOf: (key) => key.slice('/registry/'.length),
      decode(kv) {
        const object = JSON.parse(kv.value.toString());
        const key = kv.key.toString().slice('/registry/'.length);
        return { key, contents: configMapContents(object), uid: object.metadata.uid };
      },
    });
    const apiServers = plane.masters.map(({ name }) => `kube-apiserver-${name}`);
    return {
      target,
      faults: [
        ...apiServers.map((name) => killComponent(plane, name)),
        ...apiServers.map((name) => freeze(name, () => plane.pidOf(name))),
        killComponent(plane, 'kube-lb-master1'),
        killComponent(plane, 'etcd'),
        freeze('the store', () => plane.pidOf('etcd')),
      ],
      isOurs: (key) => /^(object|last)-/.test(key.slice(configMapPrefix(namespace).length)),
      truth: () => truth.end(),
      async stop() {
        target.close();
        etcd.close();
        await plane.destroy();
      },
    };
  } catch (error) {
    await plane.destroy();
    throw error;
  }
}

function serverAt(address: string, port: number): string {
  return `https://${address.includes(':') ? address : `${address}:${port}`}`;
}

function storeClient(plane: ControlPlane): EtcdClient {
  const args = readFileSync(`/proc/${plane.pidOf('etcd')}/cmdline`, 'utf8').split('\0');
  const endpoint = args.find((arg) => arg.startsWith('--listen-client-urls='))!.split('=')[1]!;
  const pki = (file: string) => readFileSync(join(plane.dataDir, 'pki', file));
  return createEtcdClient({
    endpoints: [endpoint],
    tls: { ca: pki('etcd/ca.crt'), cert: pki('apiserver-etcd-client.crt'), key: pki('apiserver-etcd-client.key') },
    clock: realClock,
    log: silentLogger,
  });
}

function killComponent(plane: ControlPlane, name: string): Fault {
  return {
    name: `kill -9 ${name}`,
    async inflict() {
      const old = plane.pidOf(name);
      if (old === undefined) return;
      process.kill(old, 'SIGKILL');
      await until(`${name} runs again`, () => {
        const pid = plane.pidOf(name);
        return pid !== undefined && pid !== old;
      });
    },
  };
}

function freeze(name: string, pidOf: () => number | undefined): Fault {
  return {
    name: `freeze ${name}`,
    async inflict() {
      const pid = pidOf();
      if (pid === undefined) return;
      process.kill(pid, 'SIGSTOP');
      await pause(frozenMs);
      // Whoever supervises it may have killed it meanwhile.
      if (pidOf() === pid) process.kill(pid, 'SIGCONT');
    },
  };
}
