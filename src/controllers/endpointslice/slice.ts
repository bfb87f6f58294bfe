/** One EndpointSlice, and what goes into it. Pure. */
import { semanticDeepEqual } from '#apimachinery/deep-equal.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { Node, Service } from '../resources.ts';
import { type BackendPod, hostnameOf, type IpFamily, type ResolvedPort } from '../service-backends.ts';

export const serviceNameKey = 'kubernetes.io/service-name';
const managedByKey = 'endpointslice.kubernetes.io/managed-by';
const manager = 'endpointslice-controller.k8s.io';
const headlessKey = 'service.kubernetes.io/headless';
const zoneKey = 'topology.kubernetes.io/zone';

export interface Endpoint {
  addresses: string[];
  conditions: { ready: boolean; serving: boolean; terminating: boolean };
  targetRef: { kind: string; namespace?: string; name?: string; uid?: string };
  nodeName?: string;
  hostname?: string;
  zone?: string;
}

export interface EndpointSlice extends KubeObject {
  addressType: IpFamily;
  endpoints: Endpoint[];
  ports?: ResolvedPort[];
}

export function isOurs(slice: EndpointSlice): boolean {
  return slice.metadata.labels?.[managedByKey] === manager;
}

export function endpointOf(service: Service, backend: BackendPod, node: Node | undefined): Endpoint {
  const { pod, ip, ready, serving, terminating } = backend;
  const { namespace, name, uid } = pod.metadata;
  const hostname = hostnameOf(service, pod);
  const zone = node?.metadata.labels?.[zoneKey];
  return {
    addresses: [ip],
    conditions: { ready, serving, terminating },
    ...(hostname && { hostname }),
    targetRef: { kind: 'Pod', namespace: namespace!, name: name!, uid: uid! },
    ...(pod.spec.nodeName && { nodeName: pod.spec.nodeName }),
    ...(zone && { zone }),
  };
}

export function sliceLabels(service: Service): Record<string, string> {
  const labels = { ...service.metadata.labels, [serviceNameKey]: service.metadata.name!, [managedByKey]: manager };
  return service.spec.clusterIP === 'None' ? { ...labels, [headlessKey]: '' } : labels;
}

export function newSlice(
  service: Service,
  addressType: IpFamily,
  ports: ResolvedPort[],
  endpoints: Endpoint[],
): EndpointSlice {
  const { name, namespace, uid } = service.metadata;
  const owner = {
    apiVersion: 'v1',
    kind: 'Service',
    name: name!,
    uid: uid!,
    controller: true,
    blockOwnerDeletion: true,
  };
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      generateName: `${name}-`,
      namespace: namespace!,
      labels: sliceLabels(service),
      ownerReferences: [owner],
    },
    addressType,
    endpoints,
    ports,
  };
}

/** Slices of one Service and family with equal keys may hold each other's endpoints. */
export function portsKey(ports: readonly ResolvedPort[] | undefined): string {
  return JSON.stringify((ports ?? []).map((p) => [p.name ?? '', p.port, p.protocol, p.appProtocol ?? '']).sort());
}

export function isSameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return semanticDeepEqual(a, b);
}
