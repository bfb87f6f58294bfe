/** Writes a Service's EndpointSlices: at most a hundred endpoints each, one group of slices per set of ports. */
import type { KubeObject } from '#apimachinery/object.ts';
import { isStatusError } from '#apimachinery/status-error.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { type Pod, resources, type Service, splitKey } from '../resources.ts';
import {
  type BackendPod,
  backendsOf,
  enqueueServices,
  hasManagedEndpoints,
  portsFor,
  type ResolvedPort,
} from '../service-backends.ts';

const maxEndpointsPerSlice = 100;
const serviceName = 'kubernetes.io/service-name';
const managedBy = 'endpointslice.kubernetes.io/managed-by';
const manager = 'endpointslice-controller.k8s.io';

interface Endpoint {
  addresses: string[];
  conditions: { ready: boolean; serving: boolean; terminating: boolean };
  targetRef: { kind: string; namespace?: string; name?: string; uid?: string };
  nodeName?: string;
  hostname?: string;
}
interface EndpointSlice extends KubeObject {
  addressType: string;
  endpoints: Endpoint[];
  ports?: ResolvedPort[];
}

export function endpointSliceController(context: ControllerContext): Controller {
  const { client, informers } = context;
  const services = informers.informer<Service>(resources.services);
  const pods = informers.informer<Pod>(resources.pods);
  const slices = informers.informer<EndpointSlice>(resources.endpointslices);
  const queue = context.newQueue('endpoint_slice');
  enqueueServices(services, pods, queue);
  const keyOf = (slice: EndpointSlice) => `${slice.metadata.namespace}/${slice.metadata.labels?.[serviceName] ?? ''}`;
  slices.addIndex('service', (slice) => (isOurs(slice) ? [keyOf(slice)] : []));
  slices.addHandler({
    // A slice that someone else changed or deleted is put right.
    updated: (slice) => isOurs(slice) && queue.add(keyOf(slice)),
    deleted: (slice) => isOurs(slice) && queue.add(keyOf(slice)),
  });

  async function sync(key: string): Promise<void> {
    const { namespace } = splitKey(key);
    const api = client.resource<EndpointSlice>(resources.endpointslices, namespace);
    const existing = slices.byIndex('service', key);
    const service = services.get(key);
    const wanted =
      service && hasManagedEndpoints(service) && !service.metadata.deletionTimestamp ? slicesOf(service, pods) : [];
    if (service && !hasManagedEndpoints(service) && existing.length === 0) return;

    const unused = new Set(existing);
    for (const slice of wanted) {
      // The one with the most in common is kept, so that a pod more or less changes one slice.
      const match = [...unused]
        .filter((s) => portsText(s) === portsText(slice))
        .sort((a, b) => common(b, slice) - common(a, slice))[0];
      if (!match) {
        await api.create(slice);
        continue;
      }
      unused.delete(match);
      if (isSame(match, slice)) continue;
      await api.update({
        ...match,
        metadata: { ...match.metadata, labels: slice.metadata.labels! },
        endpoints: slice.endpoints,
        ports: slice.ports ?? [],
      });
    }
    for (const slice of unused) {
      await api.delete(slice.metadata.name!).catch((error) => {
        if (!isStatusError(error, 'NotFound')) throw error;
      });
    }
  }

  return {
    name: 'endpointslice-controller',
    run: (signal) => queue.process(context.options.concurrentSyncs, sync, signal),
  };
}

function isOurs(slice: EndpointSlice): boolean {
  return slice.metadata.labels?.[managedBy] === manager;
}

function slicesOf(service: Service, pods: Parameters<typeof backendsOf>[1]): EndpointSlice[] {
  const groups = new Map<string, { ports: ResolvedPort[]; backends: BackendPod[] }>();
  for (const backend of backendsOf(service, pods)) {
    const ports = portsFor(service, backend.pod);
    if (ports.length === 0 && (service.spec.ports ?? []).length > 0) continue;
    const key = JSON.stringify(ports);
    const group = groups.get(key) ?? { ports, backends: [] };
    group.backends.push(backend);
    groups.set(key, group);
  }
  // A Service without pods has one empty slice: its consumers learn that there are none, rather than nothing.
  if (groups.size === 0) groups.set('', { ports: [], backends: [] });
  return [...groups.values()].flatMap(({ ports, backends }) => {
    const chunks: EndpointSlice[] = [];
    for (let i = 0; i === 0 || i < backends.length; i += maxEndpointsPerSlice) {
      chunks.push(slice(service, ports, backends.slice(i, i + maxEndpointsPerSlice)));
    }
    return chunks;
  });
}

function slice(service: Service, ports: ResolvedPort[], backends: readonly BackendPod[]): EndpointSlice {
  const labels: Record<string, string> = { ...service.metadata.labels };
  labels[serviceName] = service.metadata.name!;
  labels[managedBy] = manager;
  if (service.spec.clusterIP === 'None') labels['service.kubernetes.io/headless'] = '';
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      generateName: `${service.metadata.name}-`,
      namespace: service.metadata.namespace!,
      labels,
      ownerReferences: [
        {
          apiVersion: 'v1',
          kind: 'Service',
          name: service.metadata.name!,
          uid: service.metadata.uid!,
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    addressType: service.spec.ipFamilies?.[0] === 'IPv6' ? 'IPv6' : 'IPv4',
    endpoints: backends.map(({ pod, ip, ready, serving, terminating }) => ({
      addresses: [ip],
      conditions: { ready, serving, terminating },
      ...(pod.spec.hostname && pod.spec.subdomain === service.metadata.name ? { hostname: pod.spec.hostname } : {}),
      targetRef: {
        kind: 'Pod',
        namespace: pod.metadata.namespace!,
        name: pod.metadata.name!,
        uid: pod.metadata.uid!,
      },
      ...(pod.spec.nodeName ? { nodeName: pod.spec.nodeName } : {}),
    })),
    ports,
  };
}

function portsText(slice: EndpointSlice): string {
  return JSON.stringify((slice.ports ?? []).map((p) => [p.name ?? '', p.port, p.protocol, p.appProtocol ?? '']));
}

function endpointTexts(slice: EndpointSlice): string[] {
  return (slice.endpoints ?? []).map((e) =>
    JSON.stringify([
      e.addresses,
      e.conditions.ready,
      e.conditions.serving,
      e.conditions.terminating,
      e.targetRef?.uid,
      e.nodeName,
    ]),
  );
}

function common(a: EndpointSlice, b: EndpointSlice): number {
  const has = new Set((a.endpoints ?? []).map((e) => e.targetRef?.uid));
  return (b.endpoints ?? []).filter((e) => has.has(e.targetRef?.uid)).length;
}

function isSame(a: EndpointSlice, b: EndpointSlice): boolean {
  const labels = (s: EndpointSlice) => JSON.stringify(Object.entries(s.metadata.labels ?? {}).sort());
  return labels(a) === labels(b) && JSON.stringify(endpointTexts(a).sort()) === JSON.stringify(endpointTexts(b).sort());
}
