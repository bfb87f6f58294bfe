/**
 * The static-pod manifests of the masters, as kubeadm lays them out: the kubelets run from these files, and a person
 * may edit one and see its pod restarted.
 */
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { DataDir } from './data-dir.ts';
import type { ControlPlaneSpec, MasterSpec } from './spec.ts';
import { clientUrl, type StoreSpec } from './store-spec.ts';

export interface Manifest {
  /** `kube-apiserver.yaml` */
  file: string;
  text: string;
}

/** Probes and load balancers need the health paths, and nobody else comes without credentials. */
export const authenticationConfig = JSON.stringify({
  apiVersion: 'apiserver.config.k8s.io/v1',
  kind: 'AuthenticationConfiguration',
  anonymous: { enabled: true, conditions: [{ path: '/livez' }, { path: '/readyz' }, { path: '/healthz' }] },
});

/** What a manifest's command starts with: this Node, this evenkeel. */
export type Program = readonly string[];

export function manifestsOf(master: MasterSpec, spec: ControlPlaneSpec, dir: DataDir, program: Program): Manifest[] {
  const isFirst = master === spec.masters[0];
  return [
    apiserver(master, spec, dir, program),
    controllerManager(master, dir, program),
    scheduler(master, dir, program),
    // One load balancer and one process of simulated nodes for all: they live with the first master.
    ...(isFirst ? [loadBalancer(spec, program)] : []),
    ...(isFirst && spec.nodes > 0 ? [simulatedNodes(spec, dir, program)] : []),
  ];
}

function apiserver(master: MasterSpec, spec: ControlPlaneSpec, dir: DataDir, program: Program): Manifest {
  const pki = (file: string) => join(dir.pki, file);
  return manifest(
    'kube-apiserver',
    master.address,
    [
      ...program,
      'apiserver',
      `--advertise-address=${master.address}`,
      `--bind-address=${master.address}`,
      `--secure-port=${master.apiserverPort}`,
      `--health-bind-address=${master.address}`,
      `--health-port=${master.healthPort}`,
      `--authentication-config=${dir.authenticationConfig}`,
      '--authorization-mode=Node,RBAC',
      `--client-ca-file=${pki('ca.crt')}`,
      '--enable-admission-plugins=NodeRestriction',
      `--etcd-servers=${etcdServersOf(master, spec.store)}`,
      `--etcd-cafile=${pki('etcd/ca.crt')}`,
      `--etcd-certfile=${pki('apiserver-etcd-client.crt')}`,
      `--etcd-keyfile=${pki('apiserver-etcd-client.key')}`,
      `--proxy-client-cert-file=${pki('front-proxy-client.crt')}`,
      `--proxy-client-key-file=${pki('front-proxy-client.key')}`,
      `--kubelet-client-certificate=${pki('apiserver-kubelet-client.crt')}`,
      `--kubelet-client-key=${pki('apiserver-kubelet-client.key')}`,
      `--federate-metrics=${spec.masters.map((m) => `${m.name}=https://${m.address}:${m.schedulerPort}/metrics`).join()}`,
      `--requestheader-client-ca-file=${pki('front-proxy-ca.crt')}`,
      '--requestheader-allowed-names=front-proxy-client',
      '--requestheader-extra-headers-prefix=X-Remote-Extra-',
      '--requestheader-group-headers=X-Remote-Group',
      '--requestheader-username-headers=X-Remote-User',
      '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
      `--service-account-key-file=${pki('sa.pub')}`,
      `--service-account-signing-key-file=${pki('sa.key')}`,
      `--service-cluster-ip-range=${spec.serviceClusterIpRange}`,
      `--tls-cert-file=${pki(`${master.name}/apiserver.crt`)}`,
      `--tls-private-key-file=${pki(`${master.name}/apiserver.key`)}`,
    ],
    {
      livenessProbe: probe(master.address, master.apiserverPort, '/livez', {
        periodSeconds: 3,
        timeoutSeconds: 5,
        failureThreshold: 3,
        ...killSoon,
      }),
      readinessProbe: probe(master.address, master.apiserverPort, '/readyz', {
        periodSeconds: 1,
        timeoutSeconds: 5,
        failureThreshold: 3,
      }),
      startupProbe: probe(master.address, master.apiserverPort, '/livez', {
        periodSeconds: 1,
        timeoutSeconds: 5,
        failureThreshold: 60,
      }),
    },
  );
}

/** The member on the master's own host first: that one it prefers. */
function etcdServersOf(master: MasterSpec, store: StoreSpec): string {
  const own = store.members.filter((m) => m.address === master.address);
  return [...own, ...store.members.filter((m) => !own.includes(m))].map(clientUrl).join();
}

function controllerManager(master: MasterSpec, dir: DataDir, program: Program): Manifest {
  const pki = (file: string) => join(dir.pki, file);
  const kubeconfig = dir.kubeconfigOf('controller-manager');
  return manifest(
    'kube-controller-manager',
    master.address,
    [
      ...program,
      'controller-manager',
      `--kubeconfig=${kubeconfig}`,
      `--authentication-kubeconfig=${kubeconfig}`,
      `--authorization-kubeconfig=${kubeconfig}`,
      `--bind-address=${master.address}`,
      `--secure-port=${master.controllerManagerPort}`,
      `--client-ca-file=${pki('ca.crt')}`,
      `--tls-cert-file=${pki(`${master.name}/component.crt`)}`,
      `--tls-private-key-file=${pki(`${master.name}/component.key`)}`,
      '--leader-elect=true',
      `--node-name=${master.name}`,
      `--root-ca-file=${pki('ca.crt')}`,
      `--service-account-private-key-file=${pki('sa.key')}`,
      '--use-service-account-credentials=true',
    ],
    { livenessProbe: probe(master.address, master.controllerManagerPort, '/healthz', componentLiveness) },
  );
}

function scheduler(master: MasterSpec, dir: DataDir, program: Program): Manifest {
  const pki = (file: string) => join(dir.pki, file);
  const kubeconfig = dir.kubeconfigOf('scheduler');
  return manifest(
    'kube-scheduler',
    master.address,
    [
      ...program,
      'scheduler',
      `--kubeconfig=${kubeconfig}`,
      `--authentication-kubeconfig=${kubeconfig}`,
      `--authorization-kubeconfig=${kubeconfig}`,
      `--bind-address=${master.address}`,
      `--secure-port=${master.schedulerPort}`,
      `--client-ca-file=${pki('ca.crt')}`,
      `--tls-cert-file=${pki(`${master.name}/component.crt`)}`,
      `--tls-private-key-file=${pki(`${master.name}/component.key`)}`,
      '--leader-elect=true',
      '--leader-elect-lease-duration=15s',
      '--leader-elect-renew-deadline=10s',
      '--leader-elect-retry-period=2s',
      `--node-name=${master.name}`,
    ],
    { livenessProbe: probe(master.address, master.schedulerPort, '/healthz', componentLiveness) },
  );
}

function loadBalancer(spec: ControlPlaneSpec, program: Program): Manifest {
  return manifest(
    'kube-lb',
    spec.host,
    [
      ...program,
      'lb',
      `--listen=${spec.host}:${spec.port}`,
      `--admin-listen=${spec.host}:${spec.loadBalancerAdminPort}`,
      ...spec.masters.map((m) => `--backend=${m.name}=${m.address}:${m.apiserverPort}`),
    ],
    {
      livenessProbe: {
        httpGet: { host: spec.host, port: spec.loadBalancerAdminPort, path: '/healthz', scheme: 'HTTP' },
        periodSeconds: 2,
        timeoutSeconds: 2,
        failureThreshold: 3,
        ...killSoon,
      },
    },
  );
}

function simulatedNodes(spec: ControlPlaneSpec, dir: DataDir, program: Program): Manifest {
  return manifest(
    'kube-nodes',
    spec.host,
    [...program, 'kubelet', `--kubeconfig=${dir.kubeconfigOf('simulated-nodes')}`, `--simulated-nodes=${spec.nodes}`],
    {},
  );
}

/** What fails its liveness probe is most likely frozen: waiting for it to end by itself only prolongs the outage. */
const killSoon = { terminationGracePeriodSeconds: 1 };
const componentLiveness = { periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 4, ...killSoon };

function probe(host: string, port: number, path: string, times: object): object {
  return { httpGet: { host, port, path, scheme: 'HTTPS' }, ...times };
}

function manifest(name: string, hostIp: string, command: string[], container: object): Manifest {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'kube-system',
      labels: { component: name, tier: 'control-plane' },
      annotations: { 'evenkeel.dev/address': hostIp },
    },
    spec: {
      hostNetwork: true,
      priorityClassName: 'system-node-critical',
      priority: 2000001000,
      terminationGracePeriodSeconds: 10,
      containers: [{ name, image: 'evenkeel', command, ...container }],
    },
  };
  return { file: `${name}.yaml`, text: stringify(pod, { lineWidth: 0 }) };
}
