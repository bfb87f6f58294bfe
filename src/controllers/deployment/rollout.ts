/**
 * How many replicas each ReplicaSet should have next. Pure: the controller carries the steps out. The two promises of
 * a rolling update hold after every step: never more pods than replicas + maxSurge, never fewer available than
 * replicas - maxUnavailable.
 */
import { scaledIntOrPercent } from '#apimachinery/int-or-string.ts';
import type { ApiClient } from '#client/client.ts';
import { type Deployment, type ReplicaSet, resources } from '../resources.ts';

export interface ScaleStep {
  replicaSet: ReplicaSet;
  replicas: number;
}

export const desiredReplicas = (rs: ReplicaSet): number => rs.spec.replicas ?? 1;
const available = (rs: ReplicaSet): number => rs.status?.availableReplicas ?? 0;
const sum = (sets: readonly ReplicaSet[], of: (rs: ReplicaSet) => number): number =>
  sets.reduce((n, rs) => n + of(rs), 0);

export function bounds(deployment: Deployment): { maxSurge: number; maxUnavailable: number } {
  const replicas = deployment.spec.replicas ?? 1;
  if (deployment.spec.strategy?.type === 'Recreate') return { maxSurge: 0, maxUnavailable: 0 };
  const { maxSurge = '25%', maxUnavailable = '25%' } = deployment.spec.strategy?.rollingUpdate ?? {};
  const surge = scaledIntOrPercent(maxSurge, replicas, true) ?? 0;
  const unavailable = scaledIntOrPercent(maxUnavailable, replicas, false) ?? 0;
  // Both zero (small replica counts round down) would never move.
  return { maxSurge: surge, maxUnavailable: surge === 0 && unavailable === 0 ? 1 : Math.min(unavailable, replicas) };
}

/** The next steps of a rolling update. With `current` undefined: one step that tells how many the new one starts with. */
export function stepsOf(
  deployment: Deployment,
  current: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): ScaleStep[] {
  const up = scaleUp(deployment, current, old);
  if (up !== undefined && (!current || up !== desiredReplicas(current))) {
    return [{ replicaSet: current as ReplicaSet, replicas: up }];
  }
  return current ? scaleDownOld(deployment, current, old) : [];
}

function scaleUp(
  deployment: Deployment,
  current: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): number | undefined {
  const replicas = deployment.spec.replicas ?? 1;
  const has = current ? desiredReplicas(current) : 0;
  if (has === replicas && current) return undefined;
  if (has > replicas) return replicas;
  const total = has + sum(old, desiredReplicas);
  const room = replicas + bounds(deployment).maxSurge - total;
  return room <= 0 ? has : Math.min(has + room, replicas);
}

function scaleDownOld(deployment: Deployment, current: ReplicaSet, old: readonly ReplicaSet[]): ScaleStep[] {
  const oldPods = sum(old, desiredReplicas);
  if (oldPods === 0) return [];
  const minAvailable = (deployment.spec.replicas ?? 1) - bounds(deployment).maxUnavailable;
  const newUnavailable = desiredReplicas(current) - available(current);
  let removable = oldPods + desiredReplicas(current) - minAvailable - newUnavailable;
  if (removable <= 0) return [];

  // The unhealthy first: they cost no availability, whatever the bound says.
  const left = new Map(old.map((rs) => [rs, desiredReplicas(rs)]));
  const oldestFirst = [...old].sort((a, b) =>
    (a.metadata.creationTimestamp ?? '') < (b.metadata.creationTimestamp ?? '') ? -1 : 1,
  );
  for (const rs of oldestFirst) {
    const unhealthy = Math.max(0, left.get(rs)! - available(rs));
    const take = Math.min(unhealthy, removable);
    left.set(rs, left.get(rs)! - take);
    removable -= take;
  }
  let spare = sum(old, available) + available(current) - minAvailable;
  for (const rs of oldestFirst) {
    const take = Math.max(0, Math.min(left.get(rs)!, spare));
    left.set(rs, left.get(rs)! - take);
    spare -= take;
  }
  return oldestFirst
    .filter((rs) => left.get(rs) !== desiredReplicas(rs))
    .map((replicaSet) => ({ replicaSet, replicas: left.get(replicaSet)! }));
}

/**
 * The Deployment was scaled. With one active ReplicaSet it gets the whole change; in mid-rollout the change is shared in
 * proportion, so that a bad new version does not take it all.
 */
export function scaleProportionally(
  deployment: Deployment,
  current: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): ScaleStep[] {
  const replicas = deployment.spec.replicas ?? 1;
  const active = [...old, ...(current ? [current] : [])].filter((rs) => desiredReplicas(rs) > 0);
  if (active.length <= 1) {
    const target = active[0] ?? current;
    return target && desiredReplicas(target) !== replicas ? [{ replicaSet: target, replicas }] : [];
  }
  if (current && available(current) === replicas && desiredReplicas(current) === replicas) {
    return old.filter((rs) => desiredReplicas(rs) > 0).map((replicaSet) => ({ replicaSet, replicas: 0 }));
  }
  const allowed = replicas > 0 ? replicas + bounds(deployment).maxSurge : 0;
  const total = sum(active, desiredReplicas);
  let toAdd = allowed - total;
  if (toAdd === 0) return [];
  // Growing: the newest first; shrinking: the oldest first. Of equal age, the larger.
  const way = toAdd > 0 ? -1 : 1;
  const ordered = [...active].sort((a, b) => {
    const [x, y] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? ''];
    return x === y ? desiredReplicas(b) - desiredReplicas(a) : x < y ? way : -way;
  });
  const next = new Map(ordered.map((rs) => [rs, desiredReplicas(rs)]));
  for (const rs of ordered) {
    const exact = (desiredReplicas(rs) * allowed) / total - desiredReplicas(rs);
    const share = Math.round(exact);
    const change = toAdd > 0 ? Math.min(Math.max(share, 0), toAdd) : Math.max(Math.min(share, 0), toAdd);
    next.set(rs, desiredReplicas(rs) + change);
    toAdd -= change;
  }
  const first = ordered[0]!;
  next.set(first, Math.max(0, next.get(first)! + toAdd));
  return ordered.map((replicaSet) => ({ replicaSet, replicas: next.get(replicaSet)! }));
}

const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';
const own = {
  revision: 'deployment.kubernetes.io/revision',
  history: 'deployment.kubernetes.io/revision-history',
  desired: 'deployment.kubernetes.io/desired-replicas',
  max: 'deployment.kubernetes.io/max-replicas',
} as const;

/** A ReplicaSet's annotations: the Deployment's, its revision (and the revisions it had before), and the size it is scaled for. */
export function annotationsFor(
  deployment: Deployment,
  revision: number,
  rs: ReplicaSet | undefined,
): Record<string, string> {
  const copied = Object.entries(deployment.metadata.annotations ?? {}).filter(
    ([key]) =>
      key !== lastApplied &&
      !(Object.values(own) as string[]).includes(key) &&
      key !== 'deprecated.deployment.rollback.to',
  );
  const before = rs?.metadata.annotations ?? {};
  const replicas = deployment.spec.replicas ?? 1;
  const history =
    before[own.revision] && Number(before[own.revision]) !== revision
      ? [...(before[own.history]?.split(',') ?? []), before[own.revision]].join(',')
      : before[own.history];
  return {
    ...before,
    ...Object.fromEntries(copied),
    [own.revision]: String(revision),
    ...(history ? { [own.history]: history } : {}),
    [own.desired]: String(replicas),
    [own.max]: String(replicas + bounds(deployment).maxSurge),
  };
}

/** Writes annotations (and minReadySeconds) if they differ. */
export async function annotate(
  client: ApiClient,
  rs: ReplicaSet,
  annotations: Record<string, string>,
  minReadySeconds: number | undefined,
): Promise<ReplicaSet> {
  const isSame = Object.entries(annotations).every(([k, v]) => rs.metadata.annotations?.[k] === v);
  const isReadySame = minReadySeconds === undefined || minReadySeconds === (rs.spec.minReadySeconds ?? 0);
  if (isSame && isReadySame) return rs;
  const updated = structuredClone(rs);
  updated.metadata.annotations = annotations;
  if (minReadySeconds !== undefined) updated.spec.minReadySeconds = minReadySeconds;
  return client.resource<ReplicaSet>(resources.replicasets, rs.metadata.namespace).update(updated);
}
