/** What runs in a data directory, seen from outside: processes by their record, the rest by asking the API. */
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import { OperatorError } from '#base/errors.ts';
import type { ApiClient } from '#client/client.ts';
import { type DataDir, readRunRecord, readState } from './data-dir.ts';
import { isRunning } from './process-identity.ts';
import { isNodeReady, leaderOf, leases, nodeResource } from './readiness.ts';

export interface ControlPlaneStatus {
  dataDir: string;
  running: boolean;
  server: string;
  kubeconfig: string;
  /** The processes `up` keeps running itself. */
  processes: { name: string; pid: number; running: boolean }[];
  masters: { name: string; address: string; apiserver: 'ready' | 'not ready' | 'away' }[];
  leaders: { scheduler?: string; controllerManager?: string };
  nodes: { total: number; ready: number };
}

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
    server: `https://${spec.host}:${spec.port}`,
    kubeconfig: dir.kubeconfig,
    processes: (record?.processes ?? []).map((p) => ({ name: p.name, pid: p.pid, running: isRunning(p) })),
    masters: [],
    leaders: {},
    nodes: { total: 0, ready: 0 },
  };
  const ca = readFileSync(join(dir.pki, 'ca.crt'));
  status.masters = await Promise.all(
    spec.masters.map(async (m) => ({
      name: m.name,
      address: `${m.address}:${m.apiserverPort}`,
      apiserver: await readiness(m.address, m.apiserverPort, ca, clock),
    })),
  );
  if (!status.masters.some((m) => m.apiserver === 'ready')) return status;

  const client = await connect(dir.kubeconfig);
  try {
    const [scheduler, controllerManager, nodes] = await Promise.all([
      leaderOf(client, leases.scheduler).catch(() => undefined),
      leaderOf(client, leases.controllerManager).catch(() => undefined),
      client.resource(nodeResource).list(),
    ]);
    status.leaders = { ...(scheduler ? { scheduler } : {}), ...(controllerManager ? { controllerManager } : {}) };
    status.nodes = { total: nodes.items.length, ready: nodes.items.filter(isNodeReady).length };
  } finally {
    client.close();
  }
  return status;
}

const readinessTimeoutMs = 2000;

function readiness(host: string, port: number, ca: Buffer, clock: Clock): Promise<'ready' | 'not ready' | 'away'> {
  return new Promise((resolve) => {
    const settle = (answer: 'ready' | 'not ready' | 'away') => {
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
