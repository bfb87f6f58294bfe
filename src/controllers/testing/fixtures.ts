/** Controllers over a fake API: real informers, queues and recorders, and a clock that the test moves. */
import type { GroupVersionResource } from '#apimachinery/group-version.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { silentLogger } from '#base/log.ts';
import { FakeClock } from '#base/testing/fake-clock.ts';
import type { ResourceClient } from '#client/client.ts';
import { createInformerFactory } from '#client/informer-factory.ts';
import { createWorkQueue } from '#client/rate-limiting-queue.ts';
import { type FakeAction, FakeClient } from '#client/testing/fake-client.ts';
import type { Controller, ControllerContext, ControllerOptions } from '../controller.ts';
import type { Condition, Deployment, Node, Pod, ReplicaSet, Service } from '../resources.ts';
import { resources } from '../resources.ts';

export interface Bench {
  client: FakeClient;
  clock: FakeClock;
  /** `Normal ScalingReplicaSet Scaled up …`, in order. */
  events: string[];
  /** Moves time on; the controllers do what falls due. */
  pass(ms?: number): Promise<void>;
  of<T extends KubeObject>(gvr: GroupVersionResource, namespace?: string): ResourceClient<T>;
  list<T extends KubeObject>(gvr: GroupVersionResource): T[];
  get<T extends KubeObject>(gvr: GroupVersionResource, key: string): T | undefined;
  /** As its own writer would: kubelet, or another controller. */
  setStatus(gvr: GroupVersionResource, key: string, status: object): Promise<void>;
  /** Writes since the last call: `create pods`, `update deployments/status`. */
  writes(): string[];
  stop(): Promise<void>;
}

export interface BenchOptions extends Partial<ControllerOptions> {
  isGraceful?: (object: KubeObject) => boolean;
  intercept?: (action: FakeAction) => void | Promise<void>;
  /** Before the controllers start. */
  prepare?: (client: FakeClient) => Promise<unknown>;
}

export async function bench(
  makers: readonly ((context: ControllerContext) => Controller)[],
  { isGraceful, intercept, prepare, ...options }: BenchOptions = {},
): Promise<Bench> {
  const clock = new FakeClock();
  const client = new FakeClient({
    now: () => clock.now(),
    ...(isGraceful && { isGraceful }),
    ...(intercept && { intercept }),
  });
  await prepare?.(client);
  client.actions.length = 0;
  const events: string[] = [];
  const informers = createInformerFactory({ client, clock, random: () => 0.5, log: silentLogger });
  const context: ControllerContext = {
    client,
    informers,
    recorder: { event: (_, type, reason, message) => events.push(`${type} ${reason} ${message}`) },
    newQueue: (name) => createWorkQueue({ name, clock, log: silentLogger }),
    clock,
    log: silentLogger,
    options: { nodeMonitorGracePeriodMs: 40_000, nodeMonitorPeriodMs: 5_000, concurrentSyncs: 5, ...options },
  };
  const stop = new AbortController();
  const controllers = makers.map((make) => make(context));
  const running = Promise.all([informers.run(stop.signal), ...controllers.map((c) => c.run(stop.signal))]);
  const bench: Bench = {
    client,
    clock,
    events,
    // Small steps: what a write sets off runs before time moves far.
    async pass(ms = 100) {
      const step = Math.max(1, Math.ceil(ms / 50));
      for (let left = ms; left > 0; left -= step) await clock.advance(Math.min(step, left));
      for (let i = 0; i < 5; i++) await clock.advance(0);
    },
    of: (gvr, namespace = 'default') => client.resource(gvr, namespace),
    list: (gvr) => [...client.table(gvr).values()] as never[],
    get: (gvr, key) => client.table(gvr).get(key) as never,
    async setStatus(gvr, key, status) {
      const current = structuredClone(client.table(gvr).get(key)!);
      client.write(gvr, { ...current, status: { ...current['status'], ...status } });
    },
    writes() {
      const made = client.actions.splice(0).filter((a) => !['get', 'list', 'watch'].includes(a.verb));
      return made.map((a) => `${a.verb} ${a.gvr.resource}${a.subresource ? `/${a.subresource}` : ''}`);
    },
    async stop() {
      stop.abort();
      client.breakWatches();
      await running;
    },
  };
  await bench.pass();
  return bench;
}

export const template = (image = 'app:1', labels: Record<string, string> = { app: 'web' }) => ({
  metadata: { labels },
  spec: { containers: [{ name: 'app', image }] },
});

export function deployment(name: string, spec: Partial<Deployment['spec']> = {}): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default' },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: 'web' } },
      template: template(),
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } },
      progressDeadlineSeconds: 600,
      ...spec,
    },
  };
}

export function replicaSet(name: string, spec: Partial<ReplicaSet['spec']> = {}): ReplicaSet {
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name, namespace: 'default' },
    spec: { replicas: 3, selector: { matchLabels: { app: 'web' } }, template: template(), ...spec },
  };
}

export function pod(name: string, more: { metadata?: object; spec?: object; status?: object } = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels: { app: 'web' }, ...more.metadata },
    spec: { containers: [{ name: 'app' }], ...more.spec },
    ...(more.status && { status: more.status }),
  };
}

export function readyStatus(since: string, more: object = {}): object {
  return { phase: 'Running', conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: since }], ...more };
}

export function service(name: string, spec: Partial<Service['spec']> = {}): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { selector: { app: 'web' }, clusterIP: '10.0.0.1', ports: [{ port: 80 }], ...spec },
  };
}

export function node(name: string, conditions: Partial<Condition>[] = [{ type: 'Ready', status: 'True' }]): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
    spec: {},
    status: { conditions: conditions as Condition[] },
  };
}

export function namespace(name: string): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name },
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Active' },
  };
}

/** A kubelet for every pod: makes them ready, and lets them go when they are to be deleted. */
export function kubelet(bench: Bench, { isReady = () => true }: { isReady?: (pod: Pod) => boolean } = {}) {
  return async function tend(most = Number.POSITIVE_INFINITY): Promise<number> {
    let tended = 0;
    for (const pod of bench.list<Pod>(resources.pods)) {
      if (tended >= most) break;
      const { namespace, name, deletionTimestamp } = pod.metadata;
      if (deletionTimestamp) await bench.of(resources.pods, namespace).delete(name!, { gracePeriodSeconds: 0 });
      else if (pod.status?.phase !== 'Running' && isReady(pod)) {
        const since = `${new Date(bench.clock.now()).toISOString().slice(0, 19)}Z`;
        await bench.setStatus(resources.pods, `${namespace}/${name}`, readyStatus(since));
      } else continue;
      tended++;
    }
    return tended;
  };
}
