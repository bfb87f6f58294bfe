/** What a Deployment says of its rollout. Pure; reasons and messages are upstream's. */
import { type Condition, type Deployment, type DeploymentStatus, type ReplicaSet, timestamp } from '../resources.ts';
import { bounds, desiredReplicas } from './rollout.ts';

export function rolloutStatus(
  deployment: Deployment,
  all: readonly ReplicaSet[],
  current: ReplicaSet | undefined,
  nowMs: number,
): DeploymentStatus {
  const total = (of: (s: NonNullable<ReplicaSet['status']>) => number | undefined, sets = all): number =>
    sets.reduce((n, rs) => n + ((rs.status && of(rs.status)) ?? 0), 0);
  const availableReplicas = total((s) => s.availableReplicas);
  const counts = {
    replicas: total((s) => s.replicas),
    updatedReplicas: current ? total((s) => s.replicas, [current]) : 0,
    readyReplicas: total((s) => s.readyReplicas),
    availableReplicas,
    unavailableReplicas: Math.max(0, all.reduce((n, rs) => n + desiredReplicas(rs), 0) - availableReplicas),
  };
  const status: DeploymentStatus = {
    ...(deployment.metadata.generation ? { observedGeneration: deployment.metadata.generation } : {}),
    ...Object.fromEntries(Object.entries(counts).filter(([, n]) => n > 0)),
    ...(deployment.status?.collisionCount ? { collisionCount: deployment.status.collisionCount } : {}),
  };
  const conditions = [
    progressing(deployment, status, current, nowMs),
    availability(deployment, availableReplicas, nowMs),
  ].filter((c) => c !== undefined);
  // Kept in the order they first appeared in.
  const before = (deployment.status?.conditions ?? []).map((c) => c.type);
  const place = (c: Condition) => (before.includes(c.type) ? before.indexOf(c.type) : before.length);
  conditions.sort((a, b) => place(a) - place(b));
  return { ...status, ...(conditions.length > 0 ? { conditions } : {}) };
}

export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const wanted = deployment.spec.replicas ?? 1;
  return (
    (status.updatedReplicas ?? 0) === wanted &&
    (status.replicas ?? 0) === wanted &&
    (status.availableReplicas ?? 0) === wanted &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  );
}

function availability(deployment: Deployment, availableReplicas: number, nowMs: number): Condition {
  const minimum = (deployment.spec.replicas ?? 1) - bounds(deployment).maxUnavailable;
  return availableReplicas >= minimum
    ? condition(
        deployment,
        'Available',
        'True',
        'MinimumReplicasAvailable',
        'Deployment has minimum availability.',
        nowMs,
      )
    : condition(
        deployment,
        'Available',
        'False',
        'MinimumReplicasUnavailable',
        'Deployment does not have minimum availability.',
        nowMs,
      );
}

function progressing(
  deployment: Deployment,
  status: DeploymentStatus,
  current: ReplicaSet | undefined,
  nowMs: number,
): Condition | undefined {
  const before = deployment.status?.conditions?.find((c) => c.type === 'Progressing');
  const seconds = deployment.spec.progressDeadlineSeconds;
  if (!seconds || seconds >= 2 ** 31 - 1) return undefined;
  const make = (state: Condition['status'], reason: string, message: string) =>
    condition(deployment, 'Progressing', state, reason, message, nowMs);
  if (deployment.spec.paused) return make('Unknown', 'DeploymentPaused', 'Deployment is paused');
  const named = current ? `ReplicaSet "${current.metadata.name}"` : `Deployment "${deployment.metadata.name}"`;
  if (isComplete(deployment, status) && current) {
    return make('True', 'NewReplicaSetAvailable', `${named} has successfully progressed.`);
  }
  if (!before) {
    return current
      ? make('True', 'NewReplicaSetCreated', `Created new replica set "${current.metadata.name}"`)
      : undefined;
  }
  if (hasProgressed(deployment.status ?? {}, status)) {
    // A new attempt at progress counts from now, also where the reason stays the same.
    return { ...make('True', 'ReplicaSetUpdated', `${named} is progressing.`), lastUpdateTime: timestamp(nowMs) };
  }
  if (before.reason === 'NewReplicaSetAvailable' || before.reason === 'DeploymentPaused') {
    return make('True', 'ReplicaSetUpdated', `${named} is progressing.`);
  }
  const deadline = Date.parse(before.lastUpdateTime ?? '') + seconds * 1000;
  if (before.reason === 'ProgressDeadlineExceeded' || nowMs <= deadline) return before;
  return make('False', 'ProgressDeadlineExceeded', `${named} has timed out progressing.`);
}

function hasProgressed(before: DeploymentStatus, now: DeploymentStatus): boolean {
  const old = (s: DeploymentStatus) => (s.replicas ?? 0) - (s.updatedReplicas ?? 0);
  return (
    (now.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    old(now) < old(before) ||
    (now.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (now.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  );
}

/** The old condition when it says the same; the transition time moves only with the status. */
function condition(
  deployment: Deployment,
  type: string,
  status: Condition['status'],
  reason: string,
  message: string,
  nowMs: number,
): Condition {
  const before = deployment.status?.conditions?.find((c) => c.type === type);
  if (before?.status === status && before.reason === reason && before.message === message) return before;
  const now = timestamp(nowMs);
  return {
    type,
    status,
    lastUpdateTime: now,
    lastTransitionTime: before?.status === status ? (before.lastTransitionTime ?? now) : now,
    reason,
    message,
  };
}
