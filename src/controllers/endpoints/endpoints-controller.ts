/** Writes a Service's Endpoints object: one subset per set of ports, ready and not ready addresses apart. */
import type { KubeObject } from '#apimachinery/object.ts';
import { isStatusError } from '#apimachinery/status-error.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { type Pod, resources, type Service, splitKey } from '../resources.ts';
import { backendsOf, enqueueServices, hasManagedEndpoints, portsFor, type ResolvedPort } from '../service-backends.ts';

/** More addresses are cut off, and the annotation says so: larger Services are read from their EndpointSlices. */
const maxAddresses = 1000;
const managedBy = { 'endpoints.kubernetes.io/managed-by': 'endpoint-controller' };
const overCapacity = 'endpoints.kubernetes.io/over-capacity';

interface Address {
  ip: string;
  nodeName?: string;
  hostname?: string;
  targetRef: { kind: string; namespace?: string; name?: string; uid?: string };
}
interface Subset {
  addresses?: Address[];
  notReadyAddresses?: Address[];
  ports?: { name?: string; port: number; protocol: string; appProtocol?: string }[];
}

export function endpointsController(context: ControllerContext): Controller {
  const { client, informers } = context;
  const services = informers.informer<Service>(resources.services);
  const pods = informers.informer<Pod>(resources.pods);
  const endpoints = informers.informer(resources.endpoints);
  const queue = context.newQueue('endpoint');
  enqueueServices(services, pods, queue);

  async function sync(key: string): Promise<void> {
    const { namespace, name } = splitKey(key);
    const api = client.resource(resources.endpoints, namespace);
    const service = services.get(key);
    if (!service) {
      await api.delete(name).catch((error) => {
        if (!isStatusError(error, 'NotFound')) throw error;
      });
      return;
    }
    if (!hasManagedEndpoints(service)) return;
    const { subsets, isTruncated } = subsetsOf(service, pods);
    const current = endpoints.get(key);
    const labels = {
      ...service.metadata.labels,
      ...managedBy,
      ...(isHeadless(service) ? { 'service.kubernetes.io/headless': '' } : {}),
    };
    if (current && isSame(current, subsets, labels)) return;
    const { [overCapacity]: _, ...kept } = current?.metadata.annotations ?? {};
    const wanted = {
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata: {
        ...current?.metadata,
        name,
        namespace,
        labels,
        annotations: isTruncated ? { ...kept, [overCapacity]: 'truncated' } : kept,
      },
      subsets,
    } as KubeObject;
    if (current) await api.update(wanted);
    else await api.create(wanted);
  }

  return {
    name: 'endpoints-controller',
    run: (signal) => queue.process(context.options.concurrentSyncs, sync, signal),
  };
}

function subsetsOf(
  service: Service,
  pods: Parameters<typeof backendsOf>[1],
): { subsets: Subset[]; isTruncated: boolean } {
  const byPorts = new Map<string, Subset>();
  const backends = backendsOf(service, pods).filter((b) => !b.terminating || service.spec.publishNotReadyAddresses);
  for (const { pod, ip, ready } of backends.slice(0, maxAddresses)) {
    const ports = portsFor(service, pod);
    if (ports.length === 0 && (service.spec.ports ?? []).length > 0) continue;
    const key = JSON.stringify(ports);
    const subset: Subset = byPorts.get(key) ?? newSubset(ports);
    byPorts.set(key, subset);
    const address: Address = {
      ip,
      ...(pod.spec.hostname && pod.spec.subdomain === service.metadata.name ? { hostname: pod.spec.hostname } : {}),
      ...(pod.spec.nodeName ? { nodeName: pod.spec.nodeName } : {}),
      targetRef: {
        kind: 'Pod',
        namespace: pod.metadata.namespace!,
        name: pod.metadata.name!,
        uid: pod.metadata.uid!,
      },
    };
    const list = ready ? 'addresses' : 'notReadyAddresses';
    subset[list] = [...(subset[list] ?? []), address];
  }
  return { subsets: [...byPorts.values()], isTruncated: backends.length > maxAddresses };
}

function newSubset(ports: readonly ResolvedPort[]): Subset {
  return ports.length > 0 ? { ports: ports.map(({ name, ...port }) => (name ? { name, ...port } : port)) } : {};
}

function isHeadless(service: Service): boolean {
  return service.spec.clusterIP === 'None';
}

function isSame(current: KubeObject, subsets: Subset[], labels: Record<string, string>): boolean {
  const of = (list: Subset[]) =>
    JSON.stringify(
      list.map((s) => ({
        ready: (s.addresses ?? []).map((a) => [a.ip, a.targetRef?.uid, a.nodeName]),
        rest: (s.notReadyAddresses ?? []).map((a) => [a.ip, a.targetRef?.uid, a.nodeName]),
        ports: (s.ports ?? []).map((p) => [p.name ?? '', p.port, p.protocol]),
      })),
    );
  const has = current.metadata.labels ?? {};
  const isLabelSame =
    Object.keys(has).length === Object.keys(labels).length && Object.entries(labels).every(([k, v]) => has[k] === v);
  return isLabelSame && of((current['subsets'] as Subset[] | undefined) ?? []) === of(subsets);
}
