import facts from '#apis/facts/scheduler.json' with { type: 'json' };
import type { Container, Pod } from '../api-objects.ts';
import { type AffinityTerm, affinityTermsOf } from './affinity-term.ts';
import { podRequests, type ResourceVector, vectorOf } from './resource-vector.ts';

/** A pod with what scheduling asks about it again and again, computed once. */
export interface PodInfo {
  readonly pod: Pod;
  readonly requests: ResourceVector;
  /** For scoring: containers that ask for nothing count as a little, so that they spread too. */
  readonly nonZeroRequests: ResourceVector;
  readonly hostPorts: readonly HostPort[];
  /** Whom it must be near, and whom it must not. */
  readonly affinityTerms: readonly AffinityTerm[];
  readonly antiAffinityTerms: readonly AffinityTerm[];
}

export interface HostPort {
  ip: string;
  protocol: string;
  port: number;
}

const nonZero = facts.score['NodeResourcesFit.nonZeroDefaults'];

export function newPodInfo(pod: Pod): PodInfo {
  return {
    pod,
    requests: podRequests(pod),
    nonZeroRequests: podRequests(pod, nonZeroContainerRequests),
    hostPorts: hostPortsOf(pod),
    affinityTerms: affinityTermsOf(pod, pod.spec.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
    antiAffinityTerms: affinityTermsOf(
      pod,
      pod.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution,
    ),
  };
}

function nonZeroContainerRequests(container: Container): ResourceVector {
  const requests = container.resources?.requests;
  const vector = vectorOf(requests);
  if (requests?.['cpu'] === undefined) vector.milliCpu = nonZero.cpuMilli;
  if (requests?.['memory'] === undefined) vector.memory = nonZero.memoryBytes;
  return vector;
}

const noPorts: readonly HostPort[] = [];

function hostPortsOf(pod: Pod): readonly HostPort[] {
  const ports: HostPort[] = [];
  const sidecars = (pod.spec.initContainers ?? []).filter((c) => c.restartPolicy === 'Always');
  for (const container of [...(pod.spec.containers ?? []), ...sidecars]) {
    for (const { hostPort, hostIP, protocol } of container.ports ?? []) {
      if (hostPort) ports.push({ ip: hostIP || '0.0.0.0', protocol: protocol || 'TCP', port: hostPort });
    }
  }
  return ports.length ? ports : noPorts;
}

/** Two pods want the same port of one node; 0.0.0.0 is every address. */
export function portsConflict(a: HostPort, b: HostPort): boolean {
  return a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === '0.0.0.0' || b.ip === '0.0.0.0');
}
