/** What a ReplicaSet says of its pods. */
import { deepEqual } from '#apimachinery/deep-equal.ts';
import { messageOf } from '#base/errors.ts';
import type { ApiClient } from '#client/client.ts';
import {
  isPodAvailable,
  isPodReady,
  type Pod,
  podReadyCondition,
  type ReplicaSet,
  resources,
  timestamp,
} from '../resources.ts';

type Status = NonNullable<ReplicaSet['status']>;

export function statusOf(
  rs: ReplicaSet,
  { active, terminating }: { active: readonly Pod[]; terminating: number },
  failure: unknown,
  nowMs: number,
): Status {
  const labels = Object.entries(rs.spec.template.metadata?.labels ?? {});
  const conditions = (rs.status?.conditions ?? []).filter((c) => c.type !== 'ReplicaFailure');
  if (failure) {
    const isShort = active.length < (rs.spec.replicas ?? 1);
    const before = rs.status?.conditions?.find((c) => c.type === 'ReplicaFailure');
    conditions.push(
      before ?? {
        type: 'ReplicaFailure',
        status: 'True',
        lastTransitionTime: timestamp(nowMs),
        reason: isShort ? 'FailedCreate' : 'FailedDelete',
        message: messageOf(failure),
      },
    );
  }
  return {
    replicas: active.length,
    fullyLabeledReplicas: active.filter((p) => labels.every(([k, v]) => p.metadata.labels?.[k] === v)).length,
    readyReplicas: active.filter(isPodReady).length,
    availableReplicas: active.filter((p) => isPodAvailable(p, rs.spec.minReadySeconds ?? 0, nowMs)).length,
    terminatingReplicas: terminating,
    observedGeneration: rs.metadata.generation ?? 0,
    ...(conditions.length > 0 && { conditions }),
  };
}

const counts = [
  'replicas',
  'fullyLabeledReplicas',
  'readyReplicas',
  'availableReplicas',
  'terminatingReplicas',
  'observedGeneration',
] as const;

/** Writes only what differs: a status that says the same is not worth a revision. */
export async function writeStatus(client: ApiClient, rs: ReplicaSet, status: Status): Promise<void> {
  const before = rs.status;
  const isSame =
    before !== undefined &&
    counts.every((n) => (before[n] ?? 0) === (status[n] ?? 0)) &&
    deepEqual(before.conditions ?? [], status.conditions ?? []);
  if (isSame) return;
  await client.resource<ReplicaSet>(resources.replicasets, rs.metadata.namespace).updateStatus({ ...rs, status });
}

/** When the next pod will have been ready for minReadySeconds, in ms from now. */
export function nextAvailabilityMs(rs: ReplicaSet, active: readonly Pod[], nowMs: number): number | undefined {
  const seconds = rs.spec.minReadySeconds ?? 0;
  let next: number | undefined;
  for (const pod of active) {
    if (!isPodReady(pod) || isPodAvailable(pod, seconds, nowMs)) continue;
    const since = Date.parse(podReadyCondition(pod)?.lastTransitionTime ?? '');
    if (Number.isNaN(since)) continue;
    const left = since + seconds * 1000 - nowMs;
    next = Math.min(next ?? left, left);
  }
  return next;
}
