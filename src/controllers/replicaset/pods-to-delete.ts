import { isPodReady, type Pod, podReadyCondition } from '../resources.ts';

/**
 * Which pods go first when there are too many, by upstream's order: not assigned, pending, not ready, cheap to delete
 * (annotation controller.kubernetes.io/pod-deletion-cost), on a node with many of their kind, ready for the shortest
 * time, restarted most often, youngest. Times are compared on a logarithmic scale, so that among pods of about the
 * same age the choice does not always fall on the same node's.
 */
export function podsToDelete(pods: readonly Pod[], siblings: readonly Pod[], count: number, nowMs: number): Pod[] {
  if (count >= pods.length) return [...pods];
  const onNode = new Map<string, number>();
  for (const pod of siblings) onNode.set(pod.spec.nodeName ?? '', (onNode.get(pod.spec.nodeName ?? '') ?? 0) + 1);
  const ranked = pods.map((pod) => ({ pod, rank: rankOf(pod, onNode, nowMs) }));
  ranked.sort((a, b) => compare(a.rank, b.rank));
  return ranked.slice(0, count).map((r) => r.pod);
}

/** Smaller goes first, element by element. */
function rankOf(pod: Pod, onNode: ReadonlyMap<string, number>, nowMs: number): number[] {
  const phase = pod.status?.phase ?? 'Pending';
  const isReady = isPodReady(pod);
  const cost = Number(pod.metadata.annotations?.['controller.kubernetes.io/pod-deletion-cost'] ?? 0);
  const restarts = Math.max(0, ...(pod.status?.containerStatuses ?? []).map((c) => c.restartCount));
  return [
    pod.spec.nodeName ? 1 : 0,
    phase === 'Pending' ? 0 : phase === 'Unknown' ? 1 : 2,
    isReady ? 1 : 0,
    Number.isFinite(cost) ? cost : 0,
    -(onNode.get(pod.spec.nodeName ?? '') ?? 0),
    isReady ? logarithmicAge(podReadyCondition(pod)?.lastTransitionTime, nowMs) : 0,
    -restarts,
    logarithmicAge(pod.metadata.creationTimestamp ?? undefined, nowMs),
  ];
}

function logarithmicAge(since: string | undefined, nowMs: number): number {
  const age = nowMs - Date.parse(since ?? '');
  return age > 0 ? Math.floor(Math.log2(age)) : -1;
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return 0;
}
