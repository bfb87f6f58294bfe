/** Waiting for a control plane to come up: each condition with the same deadline, and a remedy when it passes. */
import type { KubeObject } from '#apimachinery/object.ts';
import { type Clock, sleep } from '#base/clock.ts';
import { messageOf, OperatorError } from '#base/errors.ts';
import type { ApiClient } from '#client/client.ts';

export interface WaitOptions {
  clock: Clock;
  signal: AbortSignal;
  /** On the monotonic clock. */
  deadline: number;
  logs: string;
}

const pollMs = 50;
/** One try must not eat the whole patience: the API server behind it may be just starting. */
const tryTimeoutMs = 2000;
export const leases = {
  namespace: 'kube-system',
  scheduler: 'kube-scheduler',
  controllerManager: 'kube-controller-manager',
};
export const leaseResource = { group: 'coordination.k8s.io', version: 'v1', resource: 'leases' };
/** The kubelet gives it to the nodes it only plays. */
const simulatedLabel = 'evenkeel.dev/simulated';
const endpointsResource = { group: '', version: 'v1', resource: 'endpoints' };
export const nodeResource = { group: '', version: 'v1', resource: 'nodes' };

export async function waitForReady(client: ApiClient, options: WaitOptions): Promise<void> {
  await poll('the API is not ready', options, async () => {
    await client.raw('GET', '/readyz', { timeoutMs: tryTimeoutMs, signal: options.signal });
    // Ready, and it knows who we are: the bootstrap policy is in place.
    await client.raw('GET', '/api/v1/namespaces/kube-system', { timeoutMs: tryTimeoutMs, signal: options.signal });
    return true;
  });
}

export async function waitForLeaders(
  client: ApiClient,
  options: WaitOptions,
): Promise<{ scheduler: string; controllerManager: string }> {
  const holder = (name: string) =>
    poll(`no leader holds the Lease ${leases.namespace}/${name}`, options, () => leaderOf(client, name));
  const [scheduler, controllerManager] = await Promise.all([
    holder(leases.scheduler),
    holder(leases.controllerManager),
  ]);
  return { scheduler, controllerManager };
}

/** The holder's name as people know it: the part before the incarnation. */
export async function leaderOf(client: ApiClient, name: string): Promise<string | undefined> {
  const lease = await client.resource(leaseResource, leases.namespace).get(name);
  const holder = lease['spec']?.holderIdentity as string | undefined;
  return holder?.split('_')[0] || undefined;
}

/** Every API server takes part: their addresses (`count` different ones) are the endpoints of the `kubernetes` service. */
export async function waitForApiServers(client: ApiClient, count: number, options: WaitOptions): Promise<void> {
  await poll('not every API server is ready', options, async () => {
    const endpoints = await client.resource(endpointsResource, 'default').get('kubernetes');
    const subsets = (endpoints['subsets'] ?? []) as { addresses?: unknown[] }[];
    const ready = subsets.reduce((n, subset) => n + (subset.addresses?.length ?? 0), 0);
    return ready >= count || undefined;
  });
}

export async function waitForNodes(client: ApiClient, count: number, options: WaitOptions): Promise<void> {
  if (count === 0) return;
  await poll('the simulated nodes are not ready', options, async () => {
    const nodes = await client.resource(nodeResource).list({ labelSelector: simulatedLabel });
    return nodes.items.filter(isNodeReady).length >= count || undefined;
  });
}

export function isSimulated(node: KubeObject): boolean {
  return node.metadata.labels?.[simulatedLabel] !== undefined;
}

export function isNodeReady(node: KubeObject): boolean {
  const conditions = (node['status']?.conditions ?? []) as { type: string; status: string }[];
  return conditions.some((c) => c.type === 'Ready' && c.status === 'True');
}

/** Tries until it gives something; what fails meanwhile is only told when the deadline has passed. */
export async function poll<T>(what: string, options: WaitOptions, attempt: () => Promise<T | undefined>): Promise<T> {
  let last: unknown;
  while (!options.signal.aborted) {
    try {
      const result = await attempt();
      if (result !== undefined) return result;
    } catch (error) {
      last = error;
    }
    if (options.clock.monotonic() > options.deadline) {
      throw new OperatorError(`${what}${last ? ` (${messageOf(last)})` : ''}: see the logs in ${options.logs}`);
    }
    await sleep(options.clock, pollMs, options.signal);
  }
  throw new OperatorError('interrupted');
}
