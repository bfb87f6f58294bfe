/**
 * The control plane's keys and certificates, in kubeadm's layout under `pki/`. Made when missing, made again when a
 * certificate is about to expire or no longer fits the addresses; private keys are 0600. Clients are told apart by
 * certificate: each component has the identity upstream's RBAC bootstrap policy expects. The store has an authority of
 * its own that signs nothing but the store's certificates and those of its clients, the API servers and whoever asks for
 * its health: nobody else gets in.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CertificateAuthority, CertificateRequest } from '#base/certificates.ts';
import type { Clock } from '#base/clock.ts';
import { writeAtomically } from './data-dir.ts';
import type { ControlPlaneSpec } from './spec.ts';
import type { StoreSpec } from './store-spec.ts';

/** A certificate that expires sooner than this is made again at the next start. */
const renewBeforeMs = 30 * 86_400_000;

interface Leaf {
  /** Path under `pki/`, without `.crt` and `.key`. */
  path: string;
  authority: 'ca' | 'front-proxy-ca' | 'etcd/ca';
  request: CertificateRequest;
}

export function isPkiComplete(directory: string, spec: ControlPlaneSpec, clock: Clock): boolean {
  const { missing, stale } = wantedOf(directory, spec, clock);
  return stale.length === 0 && missing.length === 0 && existsSync(join(directory, 'sa.key'));
}

export async function ensurePki(directory: string, spec: ControlPlaneSpec, clock: Clock): Promise<void> {
  if (isPkiComplete(directory, spec, clock)) return;
  const { wanted, stale, missing } = wantedOf(directory, spec, clock);

  // Loading the X.509 library takes longer than all else here, and most starts need no new certificate.
  const certificates = await import('#base/certificates.ts');
  const loaded = new Map<string, CertificateAuthority>();
  for (const name of authorities) {
    const authority = missing.includes(name)
      ? await certificates.createAuthority(authorityNames[name], clock)
      : await certificates.loadAuthority(readPair(directory, name));
    if (missing.includes(name)) writePair(directory, name, authority);
    loaded.set(name, authority);
  }
  const renewed = missing.length > 0 ? wanted : stale;
  await Promise.all(
    renewed.map(async (leaf) => {
      const pair = await certificates.issue(loaded.get(leaf.authority)!, leaf.request, clock);
      writePair(directory, leaf.path, pair);
      writeAtomically(join(directory, `${leaf.path}.json`), JSON.stringify(recordOf(leaf, clock)));
    }),
  );
  if (!existsSync(join(directory, 'sa.key'))) {
    const signing = await certificates.createSigningKey();
    writeAtomically(join(directory, 'sa.key'), signing.privateKey);
    writeAtomically(join(directory, 'sa.pub'), signing.publicKey, 0o644);
  }
}

function wantedOf(directory: string, spec: ControlPlaneSpec, clock: Clock) {
  const wanted = leaves(spec);
  return {
    wanted,
    stale: wanted.filter((leaf) => !isFresh(directory, leaf, clock)),
    missing: authorities.filter((name) => !existsSync(join(directory, `${name}.key`))),
  };
}

const authorities = ['ca', 'front-proxy-ca', 'etcd/ca'] as const;
const authorityNames = { ca: 'kubernetes', 'front-proxy-ca': 'front-proxy-ca', 'etcd/ca': 'etcd-ca' } as const;

function leaves(spec: ControlPlaneSpec): Leaf[] {
  const client = (path: string, commonName: string, organizations: string[] = []): Leaf => ({
    path,
    authority: 'ca',
    request: { commonName, organizations, usages: ['client'] },
  });
  const serviceIp = spec.serviceClusterIpRange.replace(/\.0\/\d+$/, '.1');
  return [
    client('admin', 'kubernetes-admin', ['system:masters']),
    client('scheduler', 'system:kube-scheduler'),
    client('controller-manager', 'system:kube-controller-manager'),
    client('simulated-nodes', 'evenkeel:simulated-nodes'),
    client('monitoring', 'evenkeel:monitoring', ['system:monitoring']),
    client('apiserver-kubelet-client', 'kube-apiserver-kubelet-client', ['system:masters']),
    {
      path: 'front-proxy-client',
      authority: 'front-proxy-ca',
      request: { commonName: 'front-proxy-client', usages: ['client'] },
    },
    ...storeLeaves(spec.store),
    {
      path: 'apiserver-etcd-client',
      authority: 'etcd/ca',
      request: { commonName: 'kube-apiserver-etcd-client', usages: ['client'] },
    },
    ...spec.masters.flatMap((master): Leaf[] => [
      client(`${master.name}/kubelet`, `system:node:${master.name}`, ['system:nodes']),
      {
        path: `${master.name}/apiserver`,
        authority: 'ca',
        request: {
          commonName: 'kube-apiserver',
          usages: ['server'],
          dnsNames: [
            'kubernetes',
            'kubernetes.default',
            'kubernetes.default.svc',
            'kubernetes.default.svc.cluster.local',
            'localhost',
            master.name,
          ],
          ipAddresses: [...new Set([spec.host, master.address, serviceIp])],
        },
      },
      {
        path: `${master.name}/component`,
        authority: 'ca',
        request: {
          commonName: `${master.name}-component`,
          usages: ['server'],
          dnsNames: ['localhost', master.name],
          ipAddresses: [master.address],
        },
      },
    ]),
  ];
}

function storeLeaves(store: StoreSpec): Leaf[] {
  const leaf = (path: string, commonName: string, addresses: string[]): Leaf => ({
    path: `etcd/${path}`,
    authority: 'etcd/ca',
    request: {
      commonName,
      usages: ['server', 'client'],
      dnsNames: ['localhost'],
      // etcd looks for the address that its peer comes from: on loopback that may be this one.
      ipAddresses: [...new Set(['127.0.0.1', ...addresses])],
    },
  });
  if (store.kind === 'embedded') return [leaf('server', 'etcd', [])];
  return [
    ...store.members.flatMap(({ name, address }) => [
      leaf(`${name}/server`, name, [address]),
      leaf(`${name}/peer`, name, [address]),
    ]),
    {
      path: 'etcd/healthcheck-client',
      authority: 'etcd/ca',
      request: { commonName: 'kube-etcd-healthcheck-client', usages: ['client'] },
    },
  ];
}

/** Beside each certificate: what it was made for and until when, so that a start need not parse X.509. */
function recordOf(leaf: Leaf, clock: Clock): { request: CertificateRequest; issuedAt: number } {
  return { request: leaf.request, issuedAt: clock.now() };
}

const leafLifetimeMs = 365 * 86_400_000;

function isFresh(directory: string, leaf: Leaf, clock: Clock): boolean {
  const file = join(directory, `${leaf.path}.json`);
  if (!existsSync(file) || !existsSync(join(directory, `${leaf.path}.key`))) return false;
  const record = JSON.parse(readFileSync(file, 'utf8')) as ReturnType<typeof recordOf>;
  const isSame = JSON.stringify(record.request) === JSON.stringify(leaf.request);
  return isSame && clock.now() < record.issuedAt + leafLifetimeMs - renewBeforeMs;
}

function readPair(directory: string, path: string): { cert: string; key: string } {
  return {
    cert: readFileSync(join(directory, `${path}.crt`), 'utf8'),
    key: readFileSync(join(directory, `${path}.key`), 'utf8'),
  };
}

function writePair(directory: string, path: string, pair: { cert: string; key: string }): void {
  writeAtomically(join(directory, `${path}.key`), pair.key);
  writeAtomically(join(directory, `${path}.crt`), pair.cert, 0o644);
}
