/** A Service's backends as Endpoints have it: addresses that serve the same ports together. Pure. */
import type { Pod, Service } from '../resources.ts';
import {
  type BackendPod,
  backendsOf,
  hostnameOf,
  ipFamiliesOf,
  portsFor,
  type ResolvedPort,
} from '../service-backends.ts';

/** More are cut off, those not ready first: larger Services are read from their EndpointSlices. */
const maxAddresses = 1000;

export interface Subset {
  addresses?: Address[];
  notReadyAddresses?: Address[];
  ports?: Omit<ResolvedPort, 'name'>[];
}

interface Address {
  ip: string;
  hostname?: string;
  nodeName?: string;
  targetRef: { kind: string; namespace?: string; name?: string; uid?: string };
}

export function subsetsOf(
  service: Service,
  pods: Parameters<typeof backendsOf>[1],
): { subsets: Subset[]; isTruncated: boolean } {
  const isPortless = (service.spec.ports ?? []).length === 0;
  const backends = backendsOf(service, pods, ipFamiliesOf(service)[0]!)
    .filter((b) => !b.terminating || service.spec.publishNotReadyAddresses)
    .map((backend) => ({ ...backend, ports: portsFor(service, backend.pod) }))
    .filter(({ ports }) => isPortless || ports.length > 0);
  const isTruncated = backends.length > maxAddresses;
  const kept = isTruncated
    ? [...backends].sort((a, b) => Number(b.ready) - Number(a.ready)).slice(0, maxAddresses)
    : backends;
  if (isPortless) return { subsets: kept.length > 0 ? [subsetOf(service, kept, [])] : [], isTruncated };

  const backendsByPort = new Map<string, typeof kept>();
  for (const backend of kept) {
    for (const port of backend.ports) {
      const key = JSON.stringify(port);
      backendsByPort.set(key, [...(backendsByPort.get(key) ?? []), backend]);
    }
  }
  // Ports that the very same addresses serve share a subset.
  const subsets = new Map<string, { backends: typeof kept; ports: ResolvedPort[] }>();
  for (const [port, served] of backendsByPort) {
    const key = served.map((b) => b.pod.metadata.uid).join();
    const subset = subsets.get(key) ?? { backends: served, ports: [] };
    subset.ports.push(JSON.parse(port));
    subsets.set(key, subset);
  }
  return { subsets: [...subsets.values()].map((s) => subsetOf(service, s.backends, s.ports)), isTruncated };
}

function subsetOf(service: Service, backends: readonly BackendPod[], ports: readonly ResolvedPort[]): Subset {
  const ready = backends.filter((b) => b.ready).map((b) => addressOf(service, b.pod, b.ip));
  const rest = backends.filter((b) => !b.ready).map((b) => addressOf(service, b.pod, b.ip));
  return {
    ...(ready.length > 0 && { addresses: ready }),
    ...(rest.length > 0 && { notReadyAddresses: rest }),
    ...(ports.length > 0 && { ports: ports.map(({ name, ...port }) => (name ? { name, ...port } : port)) }),
  };
}

function addressOf(service: Service, pod: Pod, ip: string): Address {
  const { namespace, name, uid } = pod.metadata;
  const hostname = hostnameOf(service, pod);
  return {
    ip,
    ...(hostname && { hostname }),
    ...(pod.spec.nodeName && { nodeName: pod.spec.nodeName }),
    targetRef: { kind: 'Pod', namespace: namespace!, name: name!, uid: uid! },
  };
}
