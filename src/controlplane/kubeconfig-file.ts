/** Writes kubeconfig files with everything inside: a file that can be copied elsewhere and still works. 0600. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DataDir, writeAtomically } from './data-dir.ts';
import type { ControlPlaneSpec } from './spec.ts';

export function writeKubeconfigs(dir: DataDir, spec: ControlPlaneSpec): void {
  const write = (file: string, user: string, pair: string) =>
    writeAtomically(file, kubeconfig(dir.pki, `https://${spec.host}:${spec.port}`, user, pair));
  write(dir.kubeconfig, 'kubernetes-admin', 'admin');
  write(dir.kubeconfigOf('scheduler'), 'system:kube-scheduler', 'scheduler');
  write(dir.kubeconfigOf('controller-manager'), 'system:kube-controller-manager', 'controller-manager');
  write(dir.kubeconfigOf('simulated-nodes'), 'evenkeel:simulated-nodes', 'simulated-nodes');
  for (const master of spec.masters) {
    write(dir.kubeconfigOf(`kubelet-${master.name}`), `system:node:${master.name}`, `${master.name}/kubelet`);
  }
}

function kubeconfig(pki: string, server: string, user: string, pair: string): string {
  const data = (file: string) => readFileSync(join(pki, file)).toString('base64');
  return `apiVersion: v1
kind: Config
current-context: evenkeel
clusters:
- name: evenkeel
  cluster:
    server: ${server}
    certificate-authority-data: ${data('ca.crt')}
contexts:
- name: evenkeel
  context:
    cluster: evenkeel
    user: ${user}
users:
- name: ${user}
  user:
    client-certificate-data: ${data(`${pair}.crt`)}
    client-key-data: ${data(`${pair}.key`)}
`;
}
