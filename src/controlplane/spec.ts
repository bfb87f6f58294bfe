/**
 * What a control plane on one machine consists of: masters with an address and ports each, and the load balancer's
 * address. Chosen once, kept in the data directory, so that a restart comes back under the same addresses.
 */
import { createServer } from 'node:net';
import { OperatorError } from '#base/errors.ts';
import { type StoreMember, type StorePlan, type StoreSpec, storeOf } from './store-spec.ts';

export interface ControlPlaneSpec {
  /** Where clients connect: the load balancer. */
  host: string;
  port: number;
  store: StoreSpec;
  loadBalancerAdminPort: number;
  masters: MasterSpec[];
  /** How many simulated nodes. */
  nodes: number;
  nodesHealthPort: number;
  serviceClusterIpRange: string;
}

export interface MasterSpec {
  name: string;
  address: string;
  apiserverPort: number;
  /** Plain HTTP /livez, /readyz, as the article's load balancers probe it. */
  healthPort: number;
  schedulerPort: number;
  controllerManagerPort: number;
  kubeletPort: number;
}

const storeHost = '127.0.0.1';
const loadBalancerHost = '127.0.0.1';

/** Upstream's ports, for the control plane on upstream's port. */
const upstream = {
  store: 2379,
  storePeer: 2380,
  health: 8001,
  scheduler: 10259,
  controllerManager: 10257,
  kubelet: 10248,
  admin: 10300,
};

/**
 * `keptMembers`: of an etcd cluster that is there already.
 *
 * On Linux every master has an address of its own (127.0.1.N) with the same port as the load balancer, as on real
 * hosts; elsewhere only 127.0.0.1 exists, and the masters differ by port.
 */
export async function chooseSpec(
  wanted: { port: number; masters: number; nodes: number; store: StorePlan },
  keptMembers: StoreMember[] | undefined,
  platform: NodeJS.Platform,
  random: () => number,
): Promise<ControlPlaneSpec> {
  if (!(await isFree(loadBalancerHost, wanted.port))) throw portInUse(loadBalancerHost, wanted.port);
  const preferred = portsBeside(wanted.port, random);
  const taken = new Set<string>();
  for (const [host, port] of keptMembers ? listensAt(keptMembers) : []) {
    if (!(await isFree(host, port))) throw portInUse(host, port);
    taken.add(`${host}:${port}`);
  }
  const free = (host: string, port: number) => firstFree(host, port, taken);
  const masters: MasterSpec[] = [];
  for (let i = 1; i <= wanted.masters; i++) {
    const ownAddress = platform === 'linux';
    const address = addressOf(i, platform);
    if (ownAddress && !(await isFree(address, wanted.port))) throw portInUse(address, wanted.port);
    taken.add(`${address}:${wanted.port}`);
    masters.push({
      name: `master${i}`,
      address,
      apiserverPort: ownAddress ? wanted.port : await free(address, wanted.port + i),
      healthPort: await free(address, preferred.health),
      schedulerPort: await free(address, preferred.scheduler),
      controllerManagerPort: await free(address, preferred.controllerManager),
      kubeletPort: await free(address, preferred.kubelet),
    });
  }
  const members = [...(keptMembers ?? [])];
  if (wanted.store.kind === 'embedded')
    members.push({ name: 'etcd', address: storeHost, clientPort: await free(storeHost, preferred.store) });
  // On the masters' hosts, as kubeadm stacks them.
  else
    for (let i = members.length + 1; i <= wanted.store.memberCount; i++) {
      const address = addressOf(i, platform);
      const clientPort = await free(address, preferred.store);
      members.push({ name: `etcd${i}`, address, clientPort, peerPort: await free(address, preferred.storePeer) });
    }
  return {
    host: loadBalancerHost,
    port: wanted.port,
    store: storeOf(wanted.store, members),
    loadBalancerAdminPort: await free(loadBalancerHost, preferred.admin),
    masters,
    nodes: wanted.nodes,
    nodesHealthPort: await free(loadBalancerHost, preferred.admin + 1),
    serviceClusterIpRange: '10.96.0.0/16',
  };
}

function addressOf(host: number, platform: NodeJS.Platform): string {
  return platform === 'linux' ? `127.0.1.${host}` : loadBalancerHost;
}

/** Away from where the kernel takes ports for outgoing connections (Linux: 32768 and up). */
const searchRange = { from: 10_000, ports: 9_000 };

/**
 * Where the search for the other ports begins: upstream's for 6443; for any other port anywhere, so that two control
 * planes that start at the same moment do not both find the same port free.
 */
function portsBeside(port: number, random: () => number): typeof upstream {
  if (port === 6443) return upstream;
  const somewhere = () => searchRange.from + Math.floor(random() * searchRange.ports);
  return Object.fromEntries(Object.keys(upstream).map((name) => [name, somewhere()])) as typeof upstream;
}

/** All that this control plane listens on, for the check before a start. */
export async function assertPortsFree(spec: ControlPlaneSpec): Promise<void> {
  const addresses: [string, number][] = [
    [spec.host, spec.port],
    ...listensAt(spec.store.members),
    ...spec.masters.map((m): [string, number] => [m.address, m.apiserverPort]),
  ];
  for (const [host, port] of addresses) if (!(await isFree(host, port))) throw portInUse(host, port);
}

function listensAt(members: readonly StoreMember[]): [string, number][] {
  return members.flatMap(({ address, clientPort, peerPort }): [string, number][] => [
    [address, clientPort],
    ...(peerPort ? [[address, peerPort] as [string, number]] : []),
  ]);
}

function portInUse(host: string, port: number): OperatorError {
  return new OperatorError(
    `port ${port} on ${host} is in use: stop what listens there, or choose another with --port (and another --data-dir for a second control plane)`,
  );
}

async function firstFree(host: string, from: number, taken: Set<string>): Promise<number> {
  for (let port = from; port < from + 1000; port++) {
    const at = `${host}:${port}`;
    if (taken.has(at) || !(await isFree(host, port))) continue;
    taken.add(at);
    return port;
  }
  throw new OperatorError(`no free port from ${from} to ${from + 999} on ${host}: stop something that listens there`);
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
