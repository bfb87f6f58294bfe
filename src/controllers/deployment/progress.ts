/**
 * Whether a rollout gets on: condition Progressing. It counts as stuck when nothing has improved for
 * progressDeadlineSeconds. Pure; reasons and messages are upstream's.
 */
import type { Condition, Deployment, DeploymentStatus } from '../resources.ts';
import { changed, conditionOf } from './conditions.ts';
import type { Rollout } from './deployment-status.ts';

const finished = 'NewReplicaSetAvailable';
const exceeded = 'ProgressDeadlineExceeded';
const paused = 'DeploymentPaused';

export function progressOf(
  deployment: Deployment,
  status: DeploymentStatus,
  { current, isCreated, createError, isRolling }: Rollout,
  nowMs: number,
): Condition | undefined {
  if (!hasDeadline(deployment)) return undefined;
  const type = 'Progressing';
  let condition = conditionOf(deployment, type);
  const set = (state: Condition['status'], reason: string, message: string) =>
    changed(condition, { type, status: state, reason, message }, nowMs);
  const named = current ? `ReplicaSet "${current.metadata.name}"` : `Deployment "${deployment.metadata.name}"`;

  if (deployment.spec.paused) {
    return condition?.reason === exceeded ? condition : set('Unknown', paused, 'Deployment is paused');
  }
  if (condition?.reason === paused) condition = set('Unknown', 'DeploymentResumed', 'Deployment is resumed');
  if (createError !== undefined) return set('False', 'ReplicaSetCreateError', createError);
  if (isCreated) condition = set('True', 'NewReplicaSetCreated', `Created new replica set "${current!.metadata.name}"`);
  else if (!condition && current) {
    condition = set('True', 'FoundNewReplicaSet', `Found new replica set "${current.metadata.name}"`);
  }
  const isFinished = condition?.reason === finished && (status.replicas ?? 0) === (status.updatedReplicas ?? 0);
  // What happens to a finished rollout's pods later is a matter of availability, not of progress.
  if (isFinished || !isRolling) return condition;
  if (isComplete(deployment, status)) return set('True', finished, `${named} has successfully progressed.`);
  if (hasProgressed(deployment.status ?? {}, status)) {
    // The deadline counts from the last progress, also where the reason stays the same.
    const since = condition?.status === 'True' ? condition.lastTransitionTime : undefined;
    condition = undefined;
    const fresh = set('True', 'ReplicaSetUpdated', `${named} is progressing.`);
    return since ? { ...fresh, lastTransitionTime: since } : fresh;
  }
  const isOverdue = condition && condition.reason !== finished && deadlineOf(deployment, condition) < nowMs;
  return isOverdue ? set('False', exceeded, `${named} has timed out progressing.`) : condition;
}

function hasDeadline({ spec: { progressDeadlineSeconds: seconds } }: Deployment): boolean {
  return seconds !== undefined && seconds < 2 ** 31 - 1;
}

function deadlineOf(deployment: Deployment, condition: Condition): number {
  return Date.parse(condition.lastUpdateTime ?? '') + deployment.spec.progressDeadlineSeconds! * 1000;
}

/** When the rollout will have been without progress for too long, in ms from now; undefined: that is no question now. */
export function progressDeadlineMs(
  deployment: Deployment,
  status: DeploymentStatus,
  nowMs: number,
): number | undefined {
  const condition = status.conditions?.find((c) => c.type === 'Progressing');
  if (!condition || !hasDeadline(deployment) || deployment.spec.paused || isComplete(deployment, status))
    return undefined;
  if (condition.reason === exceeded || condition.reason === finished) return undefined;
  return Math.max(1000, deadlineOf(deployment, condition) + 1000 - nowMs);
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

function hasProgressed(before: DeploymentStatus, now: DeploymentStatus): boolean {
  const old = (s: DeploymentStatus) => (s.replicas ?? 0) - (s.updatedReplicas ?? 0);
  return (
    (now.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    old(now) < old(before) ||
    (now.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (now.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  );
}
