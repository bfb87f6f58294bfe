/** What a Deployment says of its rollout. Pure; reasons and messages are upstream's. */
import type { Condition, Deployment, DeploymentStatus, ReplicaSet } from '../resources.ts';
import { changed, conditionOf } from './conditions.ts';
import { progressOf } from './progress.ts';
import { bounds, desiredReplicas } from './rollout.ts';

export interface Rollout {
  all: readonly ReplicaSet[];
  /** The one of the current template. */
  current: ReplicaSet | undefined;
  /** It was made just now, or could not be. */
  isCreated?: boolean;
  createError?: string;
  /** False while paused or scaled: progress is not judged then. */
  isRolling: boolean;
}

export function rolloutStatus(deployment: Deployment, rollout: Rollout, nowMs: number): DeploymentStatus {
  const { all, current } = rollout;
  const total = (of: (s: NonNullable<ReplicaSet['status']>) => number | undefined, sets = all): number =>
    sets.reduce((n, rs) => n + ((rs.status && of(rs.status)) ?? 0), 0);
  const availableReplicas = total((s) => s.availableReplicas);
  const counts = {
    observedGeneration: deployment.metadata.generation ?? 0,
    replicas: total((s) => s.replicas),
    updatedReplicas: current ? total((s) => s.replicas, [current]) : 0,
    readyReplicas: total((s) => s.readyReplicas),
    availableReplicas,
    unavailableReplicas: Math.max(0, all.reduce((n, rs) => n + desiredReplicas(rs), 0) - availableReplicas),
  };
  const status: DeploymentStatus = {
    ...Object.fromEntries(Object.entries(counts).filter(([, n]) => n > 0)),
    terminatingReplicas: total((s) => s.terminatingReplicas),
    ...(deployment.status?.collisionCount && { collisionCount: deployment.status.collisionCount }),
  };
  const conditions = [
    availability(deployment, availableReplicas, nowMs),
    progressOf(deployment, status, rollout, nowMs),
    replicaFailure(deployment, rollout, nowMs),
  ].filter((c) => c !== undefined);
  // Kept in the order they first appeared in.
  const before = (deployment.status?.conditions ?? []).map((c) => c.type);
  const place = (c: Condition) => (before.includes(c.type) ? before.indexOf(c.type) : before.length);
  conditions.sort((a, b) => place(a) - place(b));
  return { ...status, conditions };
}

function availability(deployment: Deployment, availableReplicas: number, nowMs: number): Condition {
  const type = 'Available';
  const minimum = (deployment.spec.replicas ?? 1) - bounds(deployment).maxUnavailable;
  return changed(
    conditionOf(deployment, type),
    availableReplicas >= minimum
      ? { type, status: 'True', reason: 'MinimumReplicasAvailable', message: 'Deployment has minimum availability.' }
      : {
          type,
          status: 'False',
          reason: 'MinimumReplicasUnavailable',
          message: 'Deployment does not have minimum availability.',
        },
    nowMs,
  );
}

/** Pods that cannot be made or deleted, as the ReplicaSets report it: the current one before the others. */
function replicaFailure(deployment: Deployment, { all, current }: Rollout, nowMs: number): Condition | undefined {
  const type = 'ReplicaFailure';
  const failures = [current, ...all].map((rs) => rs?.status?.conditions?.find((c) => c.type === type));
  const failure = failures.find((c) => c !== undefined);
  if (!failure) return undefined;
  const { status, reason = '', message = '' } = failure;
  return changed(conditionOf(deployment, type), { type, status, reason, message }, nowMs);
}
