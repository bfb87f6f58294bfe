/** Where the components of a control plane show their metrics, and with which files they are read. */
import { join } from 'node:path';
import type { DataDir } from './data-dir.ts';
import type { ControlPlaneSpec } from './spec.ts';

/** As one of Prometheus' scrape_configs. */
export interface ScrapeJob {
  /** As the kubernetes-mixin names it. */
  job: string;
  scheme: 'http' | 'https';
  /** `instance` is the name of the host, `address` HOST:PORT. */
  targets: { instance: string; address: string }[];
  tls?: { caFile: string; certFile: string; keyFile: string };
}

export function scrapeJobsOf(spec: ControlPlaneSpec, dir: DataDir): ScrapeJob[] {
  const files = (ca: string, pair: string) => ({
    caFile: join(dir.pki, `${ca}.crt`),
    certFile: join(dir.pki, `${pair}.crt`),
    keyFile: join(dir.pki, `${pair}.key`),
  });
  const tls = files('ca', 'monitoring');
  const ofMasters = (port: 'apiserverPort' | 'schedulerPort' | 'controllerManagerPort' | 'kubeletPort') =>
    spec.masters.map((m) => ({ instance: m.name, address: `${m.address}:${m[port]}` }));
  return [
    { job: 'apiserver', scheme: 'https', targets: ofMasters('apiserverPort'), tls },
    { job: 'kube-scheduler', scheme: 'https', targets: ofMasters('schedulerPort'), tls },
    { job: 'kube-controller-manager', scheme: 'https', targets: ofMasters('controllerManagerPort'), tls },
    {
      job: 'etcd',
      scheme: 'https',
      targets: spec.store.members.map((m) => ({ instance: m.name, address: `${m.address}:${m.clientPort}` })),
      // The store's own authority: it lets in its members and the API servers.
      tls: files('etcd/ca', 'apiserver-etcd-client'),
    },
    { job: 'kubelet', scheme: 'http', targets: ofMasters('kubeletPort') },
    {
      job: 'kube-lb',
      scheme: 'http',
      targets: [{ instance: 'kube-lb', address: `${spec.host}:${spec.loadBalancerAdminPort}` }],
    },
  ];
}
