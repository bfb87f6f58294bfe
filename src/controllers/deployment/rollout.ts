/**
 * How many replicas each ReplicaSet should have next. Pure: the controller carries the steps out. The two promises of
 * a rolling update hold after every step: never more pods than replicas + maxSurge, never fewer available than
 * replicas - maxUnavailable.
 */
import { scaledIntOrPercent } from '#apimachinery/int-or-string.ts';
import type { Deployment, ReplicaSet } from '../resources.ts';
import { notedSize } from './annotations.ts';

export interface ScaleStep {
  replicaSet: ReplicaSet;
  replicas: number;
}

export const desiredReplicas = (rs: ReplicaSet): number => rs.spec.replicas ?? 1;
/** Just scaled down, a ReplicaSet may still count more than it is to keep: those are as good as gone. */
const available = (rs: ReplicaSet): number => Math.min(rs.status?.availableReplicas ?? 0, desiredReplicas(rs));
const createdAt = (rs: ReplicaSet): string => rs.metadata.creationTimestamp ?? '';
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
  const oldestFirst = [...old].sort((a, b) => (createdAt(a) < createdAt(b) ? -1 : 1));
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
    const target = active[0] ?? current ?? latest(old);
    return target ? [{ replicaSet: target, replicas }] : [];
  }
  if (current && isSaturated(current, replicas)) {
    return old.filter((rs) => desiredReplicas(rs) > 0).map((replicaSet) => ({ replicaSet, replicas: 0 }));
  }
  if (deployment.spec.strategy?.type === 'Recreate') return [];
  return shares(deployment, active);
}

function isSaturated(current: ReplicaSet, replicas: number): boolean {
  return (
    notedSize(current)?.desired === replicas &&
    desiredReplicas(current) === replicas &&
    (current.status?.availableReplicas ?? 0) === replicas
  );
}

function latest(old: readonly ReplicaSet[]): ReplicaSet | undefined {
  return [...old].sort((a, b) => (createdAt(a) > createdAt(b) ? -1 : 1))[0];
}

/**
 * Each ReplicaSet keeps the part it had of all that were allowed before; what rounding leaves goes to the largest.
 * 8 old and 5 new of 13 (replicas 10, surge 3), scaled to 15: of 18, 11 and 7.
 */
function shares(deployment: Deployment, active: readonly ReplicaSet[]): ScaleStep[] {
  const replicas = deployment.spec.replicas ?? 1;
  const allowed = replicas > 0 ? replicas + bounds(deployment).maxSurge : 0;
  let toAdd = allowed - sum(active, desiredReplicas);
  // Largest first; of equal size, growing favours the newer and shrinking takes from the older.
  const way = toAdd > 0 ? -1 : 1;
  const ordered = [...active].sort(
    (a, b) => desiredReplicas(b) - desiredReplicas(a) || (createdAt(a) < createdAt(b) ? way : -way),
  );
  const steps = ordered.map((replicaSet) => {
    const has = desiredReplicas(replicaSet);
    const allowedBefore = notedSize(replicaSet)?.max || deployment.status?.replicas || 0;
    const wanted = replicas === 0 ? -has : allowedBefore === 0 ? 0 : Math.round((has * allowed) / allowedBefore) - has;
    const change = toAdd > 0 ? Math.min(Math.max(wanted, 0), toAdd) : Math.max(Math.min(wanted, 0), toAdd);
    toAdd -= change;
    return { replicaSet, replicas: has + change };
  });
  if (steps[0]) steps[0].replicas = Math.max(0, steps[0].replicas + toAdd);
  return steps;
}
