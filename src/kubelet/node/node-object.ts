import { arch, cpus, platform, release, totalmem } from 'node:os';
import type { KubeObject } from '#apimachinery/object.ts';
import { timestamp } from '../pod.ts';

export interface NodeSpec {
  name: string;
  ip: string;
  labels: Record<string, string>;
  taints: Taint[];
  capacity: Record<string, string>;
  podCIDR?: string;
}

export interface Taint {
  key: string;
  value?: string;
  effect: string;
}

/** The release of Kubernetes whose behaviour the kubelet shows. */
const kubeletVersion = 'v1.36.2';

/** A Node as a kubelet registers it. */
export function nodeObject(node: NodeSpec, now: number): KubeObject {
  const os = platform();
  const architecture = arch() === 'x64' ? 'amd64' : arch();
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: node.name,
      labels: {
        'beta.kubernetes.io/arch': architecture,
        'beta.kubernetes.io/os': os,
        'kubernetes.io/arch': architecture,
        'kubernetes.io/hostname': node.name,
        'kubernetes.io/os': os,
        ...node.labels,
      },
      annotations: { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' },
    },
    spec: {
      ...(node.podCIDR ? { podCIDR: node.podCIDR, podCIDRs: [node.podCIDR] } : {}),
      ...(node.taints.length > 0 ? { taints: node.taints } : {}),
    },
    status: {
      capacity: node.capacity,
      allocatable: node.capacity,
      conditions: nodeConditions(now),
      addresses: [
        { type: 'InternalIP', address: node.ip },
        { type: 'Hostname', address: node.name },
      ],
      nodeInfo: {
        machineID: '',
        systemUUID: '',
        bootID: '',
        kernelVersion: release(),
        osImage: 'Evenkeel',
        containerRuntimeVersion: 'evenkeel://0.1.0',
        kubeletVersion,
        kubeProxyVersion: '',
        operatingSystem: os,
        architecture,
      },
    },
  };
}

/** What a healthy node says; `previous` keeps the transition times of what did not change. */
export function nodeConditions(now: number, previous: NodeCondition[] = []): NodeCondition[] {
  const condition = (type: string, status: string, reason: string, message: string): NodeCondition => {
    const before = previous.find((c) => c.type === type);
    const lastTransitionTime = before?.status === status ? before.lastTransitionTime : timestamp(now);
    return { type, status, lastHeartbeatTime: timestamp(now), lastTransitionTime, reason, message };
  };
  return [
    condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
    condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
    condition('PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
    condition('Ready', 'True', 'KubeletReady', 'kubelet is posting ready status'),
  ];
}

export interface NodeCondition {
  type: string;
  status: string;
  lastHeartbeatTime: string;
  lastTransitionTime: string;
  reason: string;
  message: string;
}

/** Of this host. */
export function hostCapacity(maxPods: number): Record<string, string> {
  return {
    cpu: String(cpus().length || 1),
    memory: `${Math.floor(totalmem() / 1024)}Ki`,
    pods: String(maxPods),
    'ephemeral-storage': '100Gi',
  };
}

/** `key=value:effect`, `key:effect`; undefined when it is no taint. */
export function parseTaint(text: string): Taint | undefined {
  const match = /^([^=:]+)(?:=([^:]*))?:(NoSchedule|PreferNoSchedule|NoExecute)$/.exec(text);
  if (!match) return undefined;
  return { key: match[1]!, ...(match[2] ? { value: match[2] } : {}), effect: match[3]! };
}
