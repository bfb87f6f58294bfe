import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import { type Runnable, runAll } from '#base/runnable.ts';
import type { ApiClient } from '#client/client.ts';
import { reflect } from '#client/reflector.ts';
import { apiConnection } from '../node/api-connection.ts';
import type { NodeSpec, Taint } from '../node/node-object.ts';
import { NodeReporter } from '../node/node-reporter.ts';
import type { Pod } from '../pod.ts';
import { SimulatedPods } from './simulated-pods.ts';

export interface SimulatedNodesOptions {
  client: ApiClient;
  count: number;
  /** `node`: node1, node2, … */
  prefix: string;
  labels: Record<string, string>;
  taints: Taint[];
  maxPods: number;
  statusUpdateMs: number;
  clock: Clock;
  random: () => number;
  log: Logger;
}

export const simulatedNodesMax = 3000;

/** Any number of nodes in one process: one watch of pods, one of nodes, one timer for all heartbeats. */
export function simulatedNodes(options: SimulatedNodesOptions): Runnable {
  const { client, count, clock, random, log } = options;
  const nodes = Array.from({ length: count }, (_, i) => nodeSpec(i, options));
  const pods = new SimulatedPods({
    client,
    nodes: nodes.map(({ name, ip, podCIDR }) => ({
      name,
      ip,
      podPrefix: podCIDR!.slice(0, podCIDR!.lastIndexOf('.') + 1),
    })),
    clock,
    log,
  });
  const { statusUpdateMs } = options;
  const reporter = new NodeReporter({ client, nodes, statusUpdateMs, register: true, clock, random, log });
  const resource = client.resource<Pod>({ group: '', version: 'v1', resource: 'pods' });
  const watch = { name: 'pods', resource, fieldSelector: 'spec.nodeName!=', clock, random, log };
  const podWatch: Runnable = { name: 'pod-watch', run: (signal) => reflect(watch, pods, signal) };
  return {
    name: 'simulated-nodes',
    run: (signal) => runAll([reporter, pods, podWatch, apiConnection(client)], signal),
  };
}

function nodeSpec(i: number, { prefix, labels, taints, maxPods }: SimulatedNodesOptions): NodeSpec {
  const [high, low] = [i >> 8, i & 255];
  return {
    name: `${prefix}${i + 1}`,
    ip: `172.18.${(i + 1) >> 8}.${(i + 1) & 255}`,
    labels: { ...labels, 'evenkeel.dev/simulated': 'true' },
    taints,
    capacity: { cpu: '32', memory: '256Gi', pods: String(maxPods), 'ephemeral-storage': '1Ti' },
    podCIDR: `10.${244 + high}.${low}.0/24`,
  };
}
