/**
 * Which pods stand behind a Service, and what the two ways of writing that down (Endpoints, EndpointSlice) share:
 * selection, named ports, and who must look again when a pod or a Service changes.
 */
import { deepEqual } from '#apimachinery/deep-equal.ts';
import { type Informer, objectKey } from '#client/informer.ts';
import type { WorkQueue } from '#client/workqueue.ts';
import { isPodOver, isPodReady, type Pod, type Service } from './resources.ts';

export interface BackendPod {
  pod: Pod;
  ip: string;
  /** For new connections. */
  ready: boolean;
  serving: boolean;
  terminating: boolean;
}

export type IpFamily = 'IPv4' | 'IPv6';

export function ipFamiliesOf(service: Service): IpFamily[] {
  const families = service.spec.ipFamilies ?? [];
  return families.length > 0 ? families : ['IPv4'];
}

/** In the order of their names; those without an address of the family, or whose run is over, left out. */
export function backendsOf(service: Service, pods: Informer<Pod>, family: IpFamily): BackendPod[] {
  const backends: BackendPod[] = [];
  for (const pod of pods.byIndex('namespace', service.metadata.namespace!)) {
    if (isPodOver(pod) || !selects(service, pod)) continue;
    const ip = ipOf(pod, family);
    if (!ip) continue;
    const serving = isPodReady(pod);
    const terminating = pod.metadata.deletionTimestamp !== undefined;
    const ready = service.spec.publishNotReadyAddresses === true || (serving && !terminating);
    backends.push({ pod, ip, ready, serving, terminating });
  }
  return backends.sort((a, b) => (a.pod.metadata.name! < b.pod.metadata.name! ? -1 : 1));
}

function ipOf(pod: Pod, family: IpFamily): string | undefined {
  const { podIP, podIPs } = pod.status ?? {};
  const all = podIPs?.map((p) => p.ip) ?? (podIP ? [podIP] : []);
  return all.find((ip) => ip.includes(':') === (family === 'IPv6'));
}

function selects(service: Service, pod: Pod): boolean {
  const labels = pod.metadata.labels ?? {};
  for (const key in service.spec.selector) if (labels[key] !== service.spec.selector[key]) return false;
  return true;
}

export function hostnameOf(service: Service, pod: Pod): string | undefined {
  return pod.spec.subdomain === service.metadata.name ? pod.spec.hostname || undefined : undefined;
}

export interface ResolvedPort {
  name: string;
  port: number;
  protocol: string;
  appProtocol?: string;
}

/** The Service's ports as this pod serves them; a named target that the pod does not have is left out. */
export function portsFor(service: Service, pod: Pod): ResolvedPort[] {
  const resolved: ResolvedPort[] = [];
  for (const port of service.spec.ports ?? []) {
    const protocol = port.protocol ?? 'TCP';
    const number = targetPort(port.targetPort ?? port.port, protocol, pod);
    if (number === undefined) continue;
    resolved.push({
      name: port.name ?? '',
      port: number,
      protocol,
      ...(port.appProtocol ? { appProtocol: port.appProtocol } : {}),
    });
  }
  return resolved;
}

function targetPort(target: number | string, protocol: string, pod: Pod): number | undefined {
  if (typeof target === 'number') return target;
  const sidecars = (pod.spec.initContainers ?? []).filter((c) => c.restartPolicy === 'Always');
  for (const container of [...pod.spec.containers, ...sidecars]) {
    const port = container.ports?.find((p) => p.name === target && (p.protocol ?? 'TCP') === protocol);
    if (port) return port.containerPort;
  }
  return undefined;
}

/** Keys of Services into the queue, on every change that may matter to them. */
export function enqueueServices(services: Informer<Service>, pods: Informer<Pod>, queue: WorkQueue): void {
  services.addIndex('namespace', (s) => [s.metadata.namespace!]);
  pods.addIndex('namespace', (pod) => [pod.metadata.namespace!]);
  const enqueue = (service: Service) => queue.add(objectKey(service));
  services.addHandler({ added: enqueue, updated: enqueue, deleted: enqueue });

  const enqueueFor = (...states: Pod[]) => {
    for (const service of services.byIndex('namespace', states[0]!.metadata.namespace!)) {
      if (hasManagedEndpoints(service) && states.some((pod) => selects(service, pod))) enqueue(service);
    }
  };
  pods.addHandler({
    added: (pod) => enqueueFor(pod),
    updated: (pod, old) => {
      if (isSameBackend(pod, old)) return;
      enqueueFor(pod, old);
    },
    deleted: (pod) => enqueueFor(pod),
  });
}

function isSameBackend(a: Pod, b: Pod): boolean {
  return (
    a.status?.podIP === b.status?.podIP &&
    deepEqual(a.status?.podIPs, b.status?.podIPs) &&
    isPodOver(a) === isPodOver(b) &&
    a.spec.nodeName === b.spec.nodeName &&
    isPodReady(a) === isPodReady(b) &&
    (a.metadata.deletionTimestamp === undefined) === (b.metadata.deletionTimestamp === undefined) &&
    deepEqual(a.metadata.labels, b.metadata.labels)
  );
}

/** A Service whose endpoints are ours to write: it has a selector and is no mere DNS name. */
export function hasManagedEndpoints(service: Service): boolean {
  const { selector, type } = service.spec;
  return selector !== undefined && Object.keys(selector).length > 0 && type !== 'ExternalName';
}
