import { messageOf } from '#base/errors.ts';
import type { ApiClient } from '#client/client.ts';
import { isPodAvailable, isPodReady, type Pod, type ReplicaSet, resources, timestamp } from '../resources.ts';

type Status = NonNullable<ReplicaSet['status']>;

export function statusOf(rs: ReplicaSet, pods: readonly Pod[], failure: unknown, nowMs: number): Status {
  const labels = Object.entries(rs.spec.template.metadata?.labels ?? {});
  const conditions = (rs.status?.conditions ?? []).filter((c) => c.type !== 'ReplicaFailure');
  if (failure) {
    const isShort = pods.length < (rs.spec.replicas ?? 1);
    const before = rs.status?.conditions?.find((c) => c.type === 'ReplicaFailure');
    conditions.push(
      before ?? {
        type: 'ReplicaFailure',
        status: 'True',
        reason: isShort ? 'FailedCreate' : 'FailedDelete',
        message: messageOf(failure),
        lastTransitionTime: timestamp(nowMs),
      },
    );
  }
  return {
    replicas: pods.length,
    fullyLabeledReplicas: pods.filter((p) => labels.every(([k, v]) => p.metadata.labels?.[k] === v)).length,
    readyReplicas: pods.filter(isPodReady).length,
    availableReplicas: pods.filter((p) => isPodAvailable(p, rs.spec.minReadySeconds ?? 0, nowMs)).length,
    observedGeneration: rs.metadata.generation ?? 0,
    ...(conditions.length > 0 ? { conditions } : {}),
  };
}

/** Writes only what differs: a status that says the same is not worth a revision. */
export async function writeStatus(client: ApiClient, rs: ReplicaSet, status: Status): Promise<void> {
  if (isSame(rs.status, status)) return;
  const { conditions, ...rest } = status;
  await client
    .resource<ReplicaSet>(resources.replicasets, rs.metadata.namespace)
    .updateStatus({ ...rs, status: { ...rs.status, ...rest, conditions: conditions ?? [] } });
}

function isSame(a: Status | undefined, b: Status): boolean {
  if (!a) return false;
  const numbers = [
    'replicas',
    'fullyLabeledReplicas',
    'readyReplicas',
    'availableReplicas',
    'observedGeneration',
  ] as const;
  return (
    numbers.every((n) => (a[n] ?? 0) === (b[n] ?? 0)) &&
    JSON.stringify(a.conditions ?? []) === JSON.stringify(b.conditions ?? [])
  );
}
