/** A scheduler over a fake API server under a fake clock, and small pods and nodes. */
import { silentLogger } from '#base/log.ts';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { createEventRecorder } from '#client/event-recorder.ts';
import { createInformerFactory } from '#client/informer-factory.ts';
import { FakeClient } from '#client/testing/fake-client.ts';
import { type Node, nodesResource, type Pod, podsResource } from '../api-objects.ts';
import { NodeInfo } from '../framework/node-info.ts';
import { newPodInfo } from '../framework/pod-info.ts';
import { createScheduler, type SchedulerOptions } from '../scheduler.ts';

export function testPod(name: string, spec: Partial<Pod['spec']> & { requests?: Record<string, string> } = {}): Pod {
  const { requests, ...rest } = spec;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', uid: `uid-${name}` },
    spec: { containers: [{ name: 'c', ...(requests && { resources: { requests } }) }], ...rest },
    status: { phase: 'Pending' },
  };
}

export function testNode(
  name: string,
  more: { allocatable?: Record<string, string>; labels?: Record<string, string>; spec?: Node['spec'] } = {},
): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'kubernetes.io/hostname': name, ...more.labels } },
    ...(more.spec && { spec: more.spec }),
    status: { allocatable: { cpu: '4', memory: '8Gi', pods: '110', ...more.allocatable } },
  };
}

export function nodeInfo(node: Node, ...pods: Pod[]): NodeInfo {
  const info = new NodeInfo();
  info.setNode(node);
  for (const pod of pods) info.addPod(newPodInfo(pod));
  return info;
}

export async function runScheduler(options: Partial<SchedulerOptions> = {}) {
  const clock = new FakeClock();
  const client = new FakeClient({ now: () => clock.now() });
  const world = { client, clock, random: () => 0.5, log: silentLogger };
  const informers = createInformerFactory(world);
  const recorder = createEventRecorder({ ...world, component: 'default-scheduler' });
  const scheduler = createScheduler({ ...world, informers, recorder, ...options });
  const stop = new AbortController();
  const informing = informers.run(stop.signal);
  let term = new AbortController();
  let scheduling = scheduler.run(term.signal);
  const stopScheduling = () => {
    term.abort();
    return scheduling;
  };
  await clock.advance(1);
  const pods = client.resource<Pod>(podsResource, 'default');
  return {
    clock,
    client,
    scheduler,
    pods,
    nodes: client.resource<Node>(nodesResource),
    /** Where the pod is; undefined: nowhere yet. */
    nodeOf: async (name: string) => (await pods.get(name)).spec.nodeName,
    events: async () => {
      await recorder.flush();
      const { items } = await client.resource({ group: '', version: 'v1', resource: 'events' }).list();
      return items.map((e) => `${e.type} ${e.reason} ${e.involvedObject.name}: ${e.message}`);
    },
    stopScheduling,
    scheduleAgain() {
      term = new AbortController();
      scheduling = scheduler.run(term.signal);
    },
    async end() {
      await stopScheduling();
      stop.abort();
      await informing;
    },
  };
}
