/** Everything that one kubelet with static pods tells an API server, and hears from it. */
import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import type { Runnable } from '#base/runnable.ts';
import type { ApiClient } from '#client/client.ts';
import { createEventRecorder } from '#client/event-recorder.ts';
import { reflect } from '#client/reflector.ts';
import type { Reporter } from '../kubelet.ts';
import { type Pod, podKey } from '../pod.ts';
import { SimulatedPods } from '../simulated/simulated-pods.ts';
import { isMirror, MirrorPods } from '../static-pods/mirror-pods.ts';
import type { StaticPods } from '../static-pods/static-pods.ts';
import { apiConnection } from './api-connection.ts';
import type { NodeSpec } from './node-object.ts';
import { NodeReporter } from './node-reporter.ts';

export interface ApiReporterOptions {
  client: ApiClient;
  node: NodeSpec;
  staticPods: StaticPods;
  statusUpdateMs: number;
  register: boolean;
  clock: Clock;
  random: () => number;
  log: Logger;
}

/** Pods bound to this node by a scheduler have no image to run here: they are simulated, as on simulated nodes. */
const simulatedPodPrefix = '10.243.0.';

export function apiReporter(options: ApiReporterOptions): Reporter {
  const { client, node, staticPods, clock, random, log, statusUpdateMs, register } = options;
  const nodes = new NodeReporter({ client, nodes: [node], statusUpdateMs, register, clock, random, log });
  const mirrors = new MirrorPods({
    client,
    nodeName: node.name,
    nodeUid: () => nodes.uidOf(node.name),
    pods: () => staticPods.pods(),
    clock,
    log,
  });
  const simulated = new SimulatedPods({
    client,
    nodes: [{ name: node.name, ip: node.ip, podPrefix: simulatedPodPrefix }],
    clock,
    log,
  });
  const recorder = createEventRecorder({ client, component: 'kubelet', host: node.name, clock, random, log });
  staticPods.onChange((pod) => mirrors.changed(podKey(pod)));

  const sink = {
    replace: (pods: Pod[]) => {
      mirrors.replace(pods.filter(isMirror));
      simulated.replace(pods.filter((p) => !isMirror(p)));
    },
    upsert: (pod: Pod) => (isMirror(pod) ? mirrors : simulated).upsert(pod),
    remove: (pod: Pod) => (isMirror(pod) ? mirrors : simulated).remove(pod),
  };
  const resource = client.resource<Pod>({ group: '', version: 'v1', resource: 'pods' });
  const watch = { name: 'pods', resource, fieldSelector: `spec.nodeName=${node.name}`, clock, random, log };
  const podWatch: Runnable = { name: 'pod-watch', run: (signal) => reflect(watch, sink, signal) };
  return {
    parts: [nodes, mirrors, simulated, podWatch, apiConnection(client)],
    event: (pod, type, reason, message) => recorder.event(pod, type, reason, message),
  };
}
