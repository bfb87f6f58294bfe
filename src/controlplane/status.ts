/** What runs in a data directory, seen from outside: processes by their record, the rest by asking the API. */
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import { OperatorError } from '#base/errors.ts';
import type { ApiClient } from '#client/client.ts';
import { isRunning } from '#os/process-identity.ts';
import { type DataDir, readRunRecord, readState } from './data-dir.ts';
import { isEmpty, leftoversIn } from './leftovers.ts';
import { isNodeReady, isSimulated, leaderOf, leases, nodeResource } from './readiness.ts';
import { type MemberState, stateOfMembers } from './store-health.ts';
import type { StoreKind } from './store-spec.ts';

export interface ControlPlaneStatus {
  dataDir: string;
  /** An `up` looks after it. */
  running: boolean;
  /** None does, because it was killed; but its processes run on. */
  orphaned: boolean;
  server: string;
  /** The load balancer leads to an API server that is ready. */
  serverReady: boolean;
  kubeconfig: string;
  /** The processes `up` keeps running itself. */
  processes: { name: string; pid: number; running: boolean }[];
  masters: { name: string; address: string; apiserver: ApiServerState; node: NodeState }[];
  leaders: { scheduler?: string; controllerManager?: string };
  /** The simulated ones. */
  nodes: { total: number; ready: number };
  store: { kind: StoreKind; members: { name: string; address: string; state?: MemberState }[] };
}

type ApiServerState = 'ready' | 'not ready' | 'away';
type NodeState = 'Ready' | 'NotReady' | 'unknown';

export async function statusOf(
  dir: DataDir,
  connect: (kubeconfig: string) => Promise<ApiClient>,
  clock: Clock,
): Promise<ControlPlaneStatus> {
  const spec = readState(dir);
  if (!spec)
    throw new OperatorError(
      `there is no control plane in ${dir.path}: start one with evenkeel up --data-dir ${dir.path}`,
    );
  const record = readRunRecord(dir);
  const running = record !== undefined && isRunning(record.supervisor);
  const status: ControlPlaneStatus = {
    dataDir: dir.path,
    running,
    orphaned: !running && !isEmpty(leftoversIn(dir)),
    server: `https://${spec.host}:${spec.port}`,
    serverReady: false,
    kubeconfig: dir.kubeconfig,
    processes: (record?.processes ?? []).map((p) => ({ name: p.name, pid: p.pid, running: isRunning(p) })),
    masters: [],
    leaders: {},
    nodes: { total: 0, ready: 0 },
    store: {
      kind: spec.store.kind,
      members: spec.store.members.map((m) => ({ name: m.name, address: `${m.address}:${m.clientPort}` })),
    },
  };
  const members = spec.store.kind === 'etcd' ? stateOfMembers(dir, spec.store, clock) : [];
  const ca = readFileSync(join(dir.pki, 'ca.crt'));
  const [server, ...apiservers] = await Promise.all([
    readiness(spec.host, spec.port, ca, clock),
    ...spec.masters.map((m) => readiness(m.address, m.apiserverPort, ca, clock)),
  ]);
  for (const [i, state] of (await members).entries()) status.store.members[i]!.state = state;
  status.serverReady = server === 'ready';
  status.masters = spec.masters.map((m, i) => ({
    name: m.name,
    address: `${m.address}:${m.apiserverPort}`,
    apiserver: apiservers[i]!,
    node: 'unknown',
  }));
  if (status.serverReady) await askApi(status, dir, connect);
  return status;
}

async function askApi(
  status: ControlPlaneStatus,
  dir: DataDir,
  connect: (kubeconfig: string) => Promise<ApiClient>,
): Promise<void> {
  const client = await connect(dir.kubeconfig);
  try {
    // What cannot be asked for now stays unknown: a status is wanted most when something is wrong.
    const [scheduler, controllerManager, nodes] = await Promise.all([
      leaderOf(client, leases.scheduler).catch(() => undefined),
      leaderOf(client, leases.controllerManager).catch(() => undefined),
      client
        .resource(nodeResource)
        .list()
        .then((list) => list.items)
        .catch(() => []),
    ]);
    status.leaders = { ...(scheduler ? { scheduler } : {}), ...(controllerManager ? { controllerManager } : {}) };
    for (const master of status.masters) {
      const node = nodes.find((n) => n.metadata.name === master.name);
      if (node) master.node = isNodeReady(node) ? 'Ready' : 'NotReady';
    }
    const simulated = nodes.filter(isSimulated);
    status.nodes = { total: simulated.length, ready: simulated.filter(isNodeReady).length };
  } finally {
    client.close();
  }
}

const readinessTimeoutMs = 2000;

function readiness(host: string, port: number, ca: Buffer, clock: Clock): Promise<ApiServerState> {
  return new Promise((resolve) => {
    const settle = (answer: ApiServerState) => {
      timer.cancel();
      resolve(answer);
    };
    const req = request({ host, port, path: '/readyz', ca, agent: false }, (res) => {
      res.resume();
      settle(res.statusCode === 200 ? 'ready' : 'not ready');
    });
    const timer = clock.setTimer(readinessTimeoutMs, () => req.destroy(new Error('timed out')));
    req.on('error', () => settle('away'));
    req.end();
  });
}
