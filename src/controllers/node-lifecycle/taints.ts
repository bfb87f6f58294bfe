/** Which taints a node's conditions call for, and how long a pod may stay under them. Pure. */
import type { Condition, Node, Pod, Taint, Toleration } from '../resources.ts';

const notReady = 'node.kubernetes.io/not-ready';
const unreachable = 'node.kubernetes.io/unreachable';
/** Condition type, the status that calls for the taint, the taint's key. */
const noSchedule: [string, Condition['status'], string][] = [
  ['Ready', 'False', notReady],
  ['Ready', 'Unknown', unreachable],
  ['MemoryPressure', 'True', 'node.kubernetes.io/memory-pressure'],
  ['DiskPressure', 'True', 'node.kubernetes.io/disk-pressure'],
  ['PIDPressure', 'True', 'node.kubernetes.io/pid-pressure'],
  ['NetworkUnavailable', 'True', 'node.kubernetes.io/network-unavailable'],
];
const unschedulable = 'node.kubernetes.io/unschedulable';
const managed = new Set([...noSchedule.map(([, , key]) => key), unschedulable]);

/** The node's taints as they should be: others' are kept, ours added and removed. `mayEvict` false: no NoExecute. */
export function taintsFor(node: Node, now: string, mayEvict = true): Taint[] {
  const current = node.spec?.taints ?? [];
  const conditions = node.status?.conditions ?? [];
  const wanted: Taint[] = [];
  const want = (key: string, effect: string) => {
    const existing = current.find((t) => t.key === key && t.effect === effect);
    wanted.push(existing ?? { key, effect, timeAdded: now });
  };
  for (const [type, status, key] of noSchedule) {
    if (conditions.find((c) => c.type === type)?.status === status) want(key, 'NoSchedule');
  }
  if (node.spec?.unschedulable) want(unschedulable, 'NoSchedule');
  const ready = conditions.find((c) => c.type === 'Ready')?.status;
  if (mayEvict && ready === 'False') want(notReady, 'NoExecute');
  if (mayEvict && ready === 'Unknown') want(unreachable, 'NoExecute');
  const others = current.filter((t) => !managed.has(t.key) || !['NoSchedule', 'NoExecute'].includes(t.effect));
  return [...others, ...wanted];
}

export function isWanted(current: readonly Taint[], wanted: readonly Taint[]): boolean {
  const text = (taints: readonly Taint[]) =>
    taints
      .map((t) => `${t.key}:${t.effect}`)
      .sort()
      .join();
  return text(current) === text(wanted);
}

/**
 * Milliseconds until the pod must go: 0 or less, now; undefined: never. Each NoExecute taint must be tolerated, and the
 * shortest toleration counts, from when its taint was added.
 */
export function evictAfterMs(pod: Pod, taints: readonly Taint[], nowMs: number): number | undefined {
  let shortest: number | undefined;
  for (const taint of taints) {
    const tolerations = (pod.spec.tolerations ?? []).filter((t) => tolerates(t, taint));
    if (tolerations.length === 0) return 0;
    const seconds = tolerations.map((t) => t.tolerationSeconds).filter((s) => s !== undefined);
    if (seconds.length === 0) continue;
    const since = taint.timeAdded ? Date.parse(taint.timeAdded) : nowMs;
    const left = since + Math.max(0, Math.min(...seconds)) * 1000 - nowMs;
    shortest = Math.min(shortest ?? left, left);
  }
  return shortest;
}

export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (!toleration.key) return toleration.operator === 'Exists';
  if (toleration.key !== taint.key) return false;
  return toleration.operator === 'Exists' || (toleration.value ?? '') === (taint.value ?? '');
}
