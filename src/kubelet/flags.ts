import type { FlagKind, FlagSpec } from '#base/flags.ts';

const port = { min: 0, max: 65535 };

/** The kubelet's command line: upstream's names where upstream has the thing, ours below. */
export const kubeletFlags: FlagSpec[] = [
  { name: 'pod-manifest-path', kind: 'string', description: 'directory of static pod manifests' },
  { name: 'root-dir', kind: 'string', description: 'directory of state and logs', default: './kubelet' },
  { name: 'hostname-override', kind: 'string', description: 'name of the node instead of the hostname' },
  { name: 'kubeconfig', kind: 'string', description: 'how to reach the API; without it only static pods are run' },
  { name: 'node-ip', kind: 'string', description: "address of the node and of its static pods instead of the host's" },
  { name: 'node-labels', kind: 'map', description: 'labels of the node' },
  { name: 'register-node', kind: 'bool', description: 'create the node object', default: 'true' },
  { name: 'register-with-taints', kind: 'strings', description: 'taints of the node: key=value:effect,…' },
  { name: 'max-pods', kind: 'int', description: 'pods the node takes', default: '110' },
  {
    name: 'node-status-update-frequency',
    kind: 'duration',
    description: 'look at the node that often',
    default: '10s',
    min: 100,
  },
  {
    name: 'healthz-port',
    kind: 'int',
    description: 'plain HTTP port of /healthz (0: none)',
    default: '10248',
    ...port,
  },
  { name: 'port', kind: 'int', description: 'the same as --healthz-port', hidden: true, ...port },
  { name: 'healthz-bind-address', kind: 'string', description: 'address of /healthz', default: '127.0.0.1' },
  { name: 'container-log-max-size', kind: 'string', description: 'a log is cut at this size', default: '10Mi' },
  { name: 'container-log-max-files', kind: 'int', description: 'log files kept of a container', default: '5' },
  {
    name: 'restart-backoff-initial',
    kind: 'duration',
    description: 'before the first restart',
    default: '250ms',
    min: 1,
  },
  {
    name: 'restart-backoff-max',
    kind: 'duration',
    description: 'longest wait before a restart',
    default: '5m',
    min: 1,
  },
  {
    name: 'restart-backoff-reset',
    kind: 'duration',
    description: 'a run this long starts over',
    default: '10m',
    min: 1,
  },
  { name: 'stop-pods-on-exit', kind: 'bool', description: 'SIGTERM stops the static pods, the last first' },
  {
    name: 'simulated-nodes',
    kind: 'int',
    description: 'register that many nodes that only pretend to run pods',
    default: '0',
  },
  {
    name: 'simulated-node-prefix',
    kind: 'string',
    description: 'names of simulated nodes: node1, node2, …',
    default: 'node',
  },
  { name: 'log-level', kind: 'string', description: 'debug, info, warn or error', default: 'info' },
  ...inert('string', [
    'bootstrap-kubeconfig',
    'cert-dir',
    'cgroup-driver',
    'cgroup-root',
    'client-ca-file',
    'cloud-provider',
    'cluster-domain',
    'config',
    'config-dir',
    'container-runtime-endpoint',
    'cpu-manager-policy',
    'image-credential-provider-bin-dir',
    'image-credential-provider-config',
    'image-service-endpoint',
    'lock-file',
    'pod-cidr',
    'pod-infra-container-image',
    'provider-id',
    'resolv-conf',
    'runtime-cgroups',
    'kubelet-cgroups',
    'system-cgroups',
    'seccomp-default',
    'tls-cert-file',
    'tls-min-version',
    'tls-private-key-file',
    'topology-manager-policy',
    'volume-plugin-dir',
    'address',
    'authorization-mode',
    'hairpin-mode',
  ]),
  ...inert('strings', ['cluster-dns', 'enforce-node-allocatable', 'tls-cipher-suites', 'allowed-unsafe-sysctls']),
  ...inert('map', ['eviction-hard', 'eviction-soft', 'feature-gates', 'kube-reserved', 'system-reserved']),
  ...inert('bool', [
    'anonymous-auth',
    'authentication-token-webhook',
    'cgroups-per-qos',
    'enable-controller-attach-detach',
    'enable-debugging-handlers',
    'enable-server',
    'exit-on-lock-contention',
    'fail-cgroupv1',
    'fail-swap-on',
    'local-storage-capacity-isolation',
    'make-iptables-util-chains',
    'protect-kernel-defaults',
    'rotate-certificates',
    'rotate-server-certificates',
    'runonce',
    'serialize-image-pulls',
  ]),
  ...inert('duration', ['file-check-frequency', 'http-check-frequency', 'sync-frequency', 'runtime-request-timeout']),
  ...inert('duration', ['volume-stats-agg-period', 'streaming-connection-idle-timeout', 'shutdown-grace-period']),
  ...inert('int', ['v', 'read-only-port', 'image-gc-high-threshold', 'image-gc-low-threshold', 'oom-score-adj']),
  ...inert('int', ['kube-api-burst', 'kube-api-qps', 'event-burst', 'event-qps', 'pods-per-core', 'max-open-files']),
];

function inert(kind: FlagKind, names: string[]): FlagSpec[] {
  return names.map((name) => ({ name, kind, description: '', inert: true }));
}

/** `10Mi`, `500k`, `1000000`: bytes, or undefined if it is no size. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+)(k|M|G|Ki|Mi|Gi)?$/.exec(text);
  return match ? Number(match[1]) * (bytesOf[match[2] ?? ''] ?? 1) : undefined;
}
const bytesOf: Record<string, number> = { k: 1e3, M: 1e6, G: 1e9, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };
