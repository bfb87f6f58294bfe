/**
 * ServiceAccount: every pod runs as an account that exists, and finds its token, the root certificate and its namespace
 * in a projected volume.
 */

import type { KubeObject } from '#apimachinery/object.ts';
import { apiErrors } from '#apimachinery/status-error.ts';
import facts from '#apis/facts/admission.json' with { type: 'json' };
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';

const mirrorAnnotation = 'kubernetes.io/config.mirror';
const { defaultName, volumeNamePrefix, mountPath, projectedDefaultMode } = facts.defaults.ServiceAccount;
const tokenExpirationSeconds = 3607;

export function serviceAccount(
  get: (namespace: string, name: string) => Promise<KubeObject | undefined> | KubeObject | undefined,
  random: () => number,
): AdmissionPlugin {
  return {
    name: 'ServiceAccount',
    handles: (operation) => operation === 'CREATE',
    async admit(attributes) {
      const pod = podOf(attributes);
      if (!pod) return;
      if (pod.metadata.annotations?.[mirrorAnnotation] !== undefined) return;
      const spec = pod['spec'];
      spec.serviceAccountName ||= defaultName;
      spec.serviceAccount = spec.serviceAccountName;
      const account = await get(attributes.namespace, spec.serviceAccountName);
      if (!account)
        throw refused(
          attributes,
          `error looking up service account ${attributes.namespace}/${spec.serviceAccountName}: serviceaccount ${JSON.stringify(spec.serviceAccountName)} not found`,
        );
      if (!spec.imagePullSecrets?.length && account['imagePullSecrets']?.length)
        spec.imagePullSecrets = account['imagePullSecrets'].map((s: { name: string }) => ({ name: s.name }));
      if (spec.automountServiceAccountToken ?? account['automountServiceAccountToken'] ?? true)
        mountToken(spec, random);
    },
    validate(attributes) {
      const pod = podOf(attributes);
      if (pod?.metadata.annotations?.[mirrorAnnotation] === undefined) return;
      if (pod['spec'].serviceAccountName) throw refused(attributes, 'a mirror pod may not reference service accounts');
      const usesSecret = (pod['spec'].volumes ?? []).some((v: any) => v.secret);
      if (usesSecret) throw refused(attributes, 'a mirror pod may not reference secrets');
    },
  };
}

function podOf({ resource, subresource, object }: AdmissionAttributes): KubeObject | undefined {
  return resource.group === '' && resource.resource === 'pods' && subresource === '' ? object : undefined;
}

function refused(attributes: AdmissionAttributes, why: string) {
  return apiErrors.forbidden(attributes.resource, attributes.object?.metadata.name ?? attributes.name, why);
}

/** A volume of ours, and a mount of it in every container that has nothing at that path. */
function mountToken(spec: any, random: () => number): void {
  const existing = (spec.volumes ?? []).find((v: any) => v.name.startsWith(volumeNamePrefix));
  const name: string = existing?.name ?? freshName(spec.volumes ?? [], random);
  let isNeeded = false;
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) {
    const mounts: { mountPath: string }[] = container.volumeMounts ?? [];
    if (mounts.some((m) => m.mountPath === mountPath)) continue;
    container.volumeMounts = [...mounts, { name, readOnly: true, mountPath }];
    isNeeded = true;
  }
  if (!isNeeded || existing) return;
  spec.volumes = [...(spec.volumes ?? []), { name, projected: tokenProjection() }];
}

function tokenProjection(): object {
  return {
    sources: [
      { serviceAccountToken: { expirationSeconds: tokenExpirationSeconds, path: 'token' } },
      { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
      {
        downwardAPI: {
          items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
        },
      },
    ],
    defaultMode: projectedDefaultMode,
  };
}

/** Upstream's alphabet of generated names: no vowels, no look-alikes. */
const alphabet = 'bcdfghjklmnpqrstvwxz2456789';

function freshName(volumes: readonly { name: string }[], random: () => number): string {
  for (;;) {
    let name: string = volumeNamePrefix;
    for (let i = 0; i < 5; i++) name += alphabet[Math.floor(random() * alphabet.length)];
    if (!volumes.some((v) => v.name === name)) return name;
  }
}
