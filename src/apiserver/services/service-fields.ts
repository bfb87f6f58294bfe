/**
 * Fields of a Service that hang together: what an update leaves out is taken over from before, and what the new type has
 * no use for is dropped, if the update did not touch it itself.
 */
import type { KubeObject } from '#apimachinery/object.ts';

type Spec = Record<string, any>;

const withClusterIp = (spec: Spec) => spec['type'] !== 'ExternalName';
export const withNodePorts = (spec: Spec) =>
  spec['type'] === 'NodePort' || (spec['type'] === 'LoadBalancer' && spec['allocateLoadBalancerNodePorts'] !== false);
const isExternal = (spec: Spec) => spec['type'] === 'NodePort' || spec['type'] === 'LoadBalancer';
export const withHealthCheckPort = (spec: Spec) =>
  spec['type'] === 'LoadBalancer' && spec['externalTrafficPolicy'] === 'Local';

/** One of clusterIP and clusterIPs tells the other; families follow. In place. */
export function normalize(service: KubeObject, family: 'IPv4' | 'IPv6'): void {
  const spec: Spec = service['spec'];
  if (!withClusterIp(spec)) return;
  if (spec['clusterIP'] && !spec['clusterIPs']?.length) spec['clusterIPs'] = [spec['clusterIP']];
  if (!spec['clusterIP'] && spec['clusterIPs']?.length) spec['clusterIP'] = spec['clusterIPs'][0];
  spec['ipFamilyPolicy'] ??= 'SingleStack';
  const firstAddress: string | undefined = spec['clusterIP'] === 'None' ? undefined : spec['clusterIP'];
  if (!spec['ipFamilies']?.length)
    spec['ipFamilies'] = [firstAddress ? (firstAddress.includes(':') ? 'IPv6' : 'IPv4') : family];
}

/** In place. */
export function takeOverAllocated(service: KubeObject, old: KubeObject): void {
  const [spec, before]: Spec[] = [service['spec'], old['spec']] as [Spec, Spec];
  if (withClusterIp(before!) && withClusterIp(spec!)) {
    if (!spec!['clusterIP']) copy(spec!, before!, 'clusterIP');
    if (!spec!['clusterIPs']?.length && spec!['clusterIP'] === before!['clusterIP']) copy(spec!, before!, 'clusterIPs');
  }
  if (withNodePorts(before!) && withNodePorts(spec!)) {
    const taken = new Set<number>((spec!['ports'] ?? []).map((p: Spec) => p['nodePort']).filter(Boolean));
    for (const port of spec!['ports'] ?? []) {
      if (port.nodePort) continue;
      const same = (before!['ports'] ?? []).find(
        (p: Spec) => p['port'] === port.port && p['protocol'] === port.protocol,
      );
      if (same?.nodePort && !taken.has(same.nodePort)) port.nodePort = same.nodePort;
    }
  }
  if (withHealthCheckPort(before!) && withHealthCheckPort(spec!) && !spec!['healthCheckNodePort'])
    copy(spec!, before!, 'healthCheckNodePort');
}

/** In place. */
export function dropUnused(service: KubeObject, old: KubeObject): void {
  const spec: Spec = service['spec'];
  const before: Spec = old['spec'];
  const isUntouched = (field: string) => JSON.stringify(spec[field]) === JSON.stringify(before[field]);
  const dropIf = (isUnused: boolean, ...fields: string[]) => {
    if (isUnused) for (const field of fields) if (isUntouched(field)) delete spec[field];
  };
  const lost = (has: (s: Spec) => boolean) => has(before) && !has(spec);
  dropIf(lost(withClusterIp), 'clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy', 'internalTrafficPolicy');
  dropIf(lost(isExternal), 'externalTrafficPolicy');
  dropIf(lost(withHealthCheckPort), 'healthCheckNodePort');
  dropIf(
    before['type'] === 'LoadBalancer' && spec['type'] !== 'LoadBalancer',
    'allocateLoadBalancerNodePorts',
    'loadBalancerClass',
  );
  dropIf(before['type'] === 'ExternalName' && spec['type'] !== 'ExternalName', 'externalName');
  if (!lost(withNodePorts)) return;
  const portsBefore = new Set((before['ports'] ?? []).map((p: Spec) => p['nodePort']));
  for (const port of spec['ports'] ?? []) if (portsBefore.has(port.nodePort)) delete port.nodePort;
}

/** Every node port of a service, the one of health checks included. */
export function nodePortsOf(service: KubeObject | undefined): number[] {
  const spec: Spec = service?.['spec'] ?? {};
  return [...(spec['ports'] ?? []).map((p: Spec) => p['nodePort']), spec['healthCheckNodePort']].filter((p) => p > 0);
}

export function clusterIpsOf(service: KubeObject | undefined): string[] {
  return ((service?.['spec']?.clusterIPs ?? []) as string[]).filter((ip) => ip !== 'None' && ip !== '');
}

function copy(to: Spec, from: Spec, field: string): void {
  if (from[field] !== undefined) to[field] = from[field];
}
