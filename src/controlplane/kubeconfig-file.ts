/** Writes kubeconfig files with everything inside: a file that can be copied elsewhere and still works. 0600. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type DataDir, writeAtomically } from './data-dir.ts';
import type { ControlPlaneSpec } from './spec.ts';

export function writeKubeconfigs(dir: DataDir, spec: ControlPlaneSpec): void {
  const server = `https://${spec.host}:${spec.port}`;
  // For people: YAML. For components: JSON, which is YAML too and costs them no parser at their start.
  writeAtomically(dir.kubeconfig, stringify(kubeconfig(dir.pki, server, 'kubernetes-admin', 'admin')));
  const write = (name: string, user: string, pair: string) =>
    writeAtomically(dir.kubeconfigOf(name), JSON.stringify(kubeconfig(dir.pki, server, user, pair)));
  write('scheduler', 'system:kube-scheduler', 'scheduler');
  write('controller-manager', 'system:kube-controller-manager', 'controller-manager');
  write('simulated-nodes', 'evenkeel:simulated-nodes', 'simulated-nodes');
  for (const { name } of spec.masters) write(`kubelet-${name}`, `system:node:${name}`, `${name}/kubelet`);
}

function kubeconfig(pki: string, server: string, user: string, pair: string): object {
  const data = (file: string) => readFileSync(join(pki, file)).toString('base64');
  const name = 'evenkeel';
  return {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    clusters: [{ name, cluster: { server, 'certificate-authority-data': data('ca.crt') } }],
    contexts: [{ name, context: { cluster: name, user } }],
    users: [
      {
        name: user,
        user: { 'client-certificate-data': data(`${pair}.crt`), 'client-key-data': data(`${pair}.key`) },
      },
    ],
  };
}
