/** Which ReplicaSet carries the Deployment's current template, and making it when none does. */
import { createHash } from 'node:crypto';
import { isStatusError } from '#apimachinery/status-error.ts';
import type { ApiClient } from '#client/client.ts';
import { ownerReference } from '../adoption.ts';
import { controllerOf, type Deployment, type PodTemplateSpec, type ReplicaSet, resources } from '../resources.ts';

export const podTemplateHash = 'pod-template-hash';

/** Upstream's alphabet for names: no vowels, no look-alikes, so that no hash spells a word. */
const alphabet = 'bcdfghjklmnpqrstvwxz2456789';

export function findNew(deployment: Deployment, all: readonly ReplicaSet[]): ReplicaSet | undefined {
  const wanted = templateText(deployment.spec.template);
  return all
    .filter((rs) => templateText(rs.spec.template) === wanted)
    .sort((a, b) => ((a.metadata.creationTimestamp ?? '') < (b.metadata.creationTimestamp ?? '') ? -1 : 1))[0];
}

export function findOld(deployment: Deployment, all: readonly ReplicaSet[]): ReplicaSet[] {
  const current = findNew(deployment, all);
  return all.filter((rs) => rs.metadata.uid !== current?.metadata.uid);
}

/**
 * The name is the Deployment's and a hash of the template. Another ReplicaSet under that name (a collision, or one of
 * an earlier Deployment) raises status.collisionCount, which goes into the next hash. `isCreated` false: an earlier try
 * had made it, and its answer was lost or the informer has not shown it yet.
 */
export async function createReplicaSet(
  client: ApiClient,
  deployment: Deployment,
  replicas: number,
  annotations: Record<string, string>,
): Promise<{ replicaSet: ReplicaSet; isCreated: boolean }> {
  const { name, namespace } = deployment.metadata;
  const hash = hashOf(deployment.spec.template, deployment.status?.collisionCount);
  const template = structuredClone(deployment.spec.template);
  template.metadata = { ...template.metadata, labels: { ...template.metadata?.labels, [podTemplateHash]: hash } };
  const { selector } = deployment.spec;
  const api = client.resource<ReplicaSet>(resources.replicasets, namespace);
  const wanted = {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `${name}-${hash}`,
      namespace,
      labels: template.metadata.labels,
      annotations,
      ownerReferences: [ownerReference(deployment)],
    },
    spec: {
      replicas,
      minReadySeconds: deployment.spec.minReadySeconds,
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [podTemplateHash]: hash } },
      template,
    },
  } as unknown as ReplicaSet;
  try {
    return { replicaSet: await api.create(wanted), isCreated: true };
  } catch (error) {
    if (!isStatusError(error, 'AlreadyExists')) throw error;
    const existing = await api.get(wanted.metadata.name!);
    const isOurs = controllerOf(existing)?.uid === deployment.metadata.uid;
    if (isOurs && templateText(existing.spec.template) === templateText(deployment.spec.template)) {
      return { replicaSet: existing, isCreated: false };
    }
    const collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
    await client
      .resource<Deployment>(resources.deployments, namespace)
      .updateStatus({ ...deployment, status: { ...deployment.status, collisionCount } });
    throw error;
  }
}

function hashOf(template: PodTemplateSpec, collisionCount: number | undefined): string {
  const digest = createHash('sha256')
    .update(templateText(template))
    .update(String(collisionCount ?? ''))
    .digest();
  let text = '';
  for (let i = 0; i < 10; i++) text += alphabet[digest[i]! % alphabet.length];
  return text;
}

/** Objects from an informer never change, and each sync compares all templates. */
const texts = new WeakMap<PodTemplateSpec, string>();

/** A text that is equal for equal templates: keys in order, without the label that the hash itself adds. */
function templateText(template: PodTemplateSpec): string {
  const known = texts.get(template);
  if (known !== undefined) return known;
  const { [podTemplateHash]: _, ...labels } = template.metadata?.labels ?? {};
  const text = canonical({ ...template, metadata: { ...template.metadata, labels } });
  texts.set(template, text);
  return text;
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, v) =>
    v && typeof v === 'object' && !Array.isArray(v)
      ? Object.fromEntries(
          Object.entries(v)
            .filter(([, x]) => x !== null && x !== undefined)
            .sort(([a], [b]) => (a < b ? -1 : 1)),
        )
      : v,
  );
}
