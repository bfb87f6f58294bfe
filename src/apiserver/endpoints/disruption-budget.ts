/** What a PodDisruptionBudget still allows, taken from it by an eviction. The disruption controller sets it anew. */
import type { KubeObject } from '#apimachinery/object.ts';
import { labelSelectorFromObject, matchesLabels } from '#apimachinery/selector/labels.ts';
import { apiErrors, StatusError } from '#apimachinery/status-error.ts';
import { formatTime } from '#apimachinery/time.ts';
import { orderMetadata } from '../registry/object-meta.ts';
import type { Registry, WriteContext } from '../registry/registry.ts';

/** Evictions the controller has not confirmed yet; beyond this it is not keeping up. */
const disruptedPodsMax = 2000;
const stillProcessedSeconds = 10;

/** Throws 429 when the pod's budget allows no disruption now. A pod without a budget costs nothing. */
export async function chargeDisruptionBudget(
  registry: Registry,
  write: WriteContext,
  pod: KubeObject,
  nowMs: number,
): Promise<void> {
  const budgets = registry.resource('policy', 'poddisruptionbudgets')!;
  const namespace = pod.metadata.namespace!;
  const { entries } = await budgets.storage.list({ prefix: budgets.key(namespace, '') });
  const own = entries.map((entry) => entry.object()).filter((budget) => covers(budget, pod));
  if (own.length === 0) return;
  if (own.length > 1) {
    throw apiErrors.internal(
      new Error('This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.'),
    );
  }
  const budget = own[0]!;
  if (!isReady(pod) && mayGoUnready(budget)) return;
  const key = budgets.key(namespace, budget.metadata.name!);
  if (write.dryRun) return void charge(budget, pod, nowMs);
  await budgets.storage.guaranteedUpdate(key, (current) => current && charge(current, pod, nowMs));
}

function covers(budget: KubeObject, pod: KubeObject): boolean {
  const selector = budget['spec']?.selector;
  return selector !== undefined && matchesLabels(labelSelectorFromObject(selector), pod.metadata.labels);
}

function isReady(pod: KubeObject): boolean {
  const conditions = (pod['status']?.conditions ?? []) as { type: string; status: string }[];
  return conditions.some((c) => c.type === 'Ready' && c.status === 'True');
}

/** A pod that is not ready helps nobody: it may go if the others are enough, or if the budget says so anyway. */
function mayGoUnready({ spec, status }: KubeObject): boolean {
  if (spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true;
  return status?.currentHealthy >= status?.desiredHealthy && status?.desiredHealthy > 0;
}

/** In place. */
function charge(budget: KubeObject, pod: KubeObject, nowMs: number): KubeObject {
  const { name, generation = 0 } = budget.metadata;
  const status = budget['status'] ?? {};
  const allowed: number = status.disruptionsAllowed ?? 0;
  if ((status.observedGeneration ?? 0) < generation) {
    throw refused(`The disruption budget ${name} is still being processed by the server.`, stillProcessedSeconds);
  }
  const forbid = (why: string) =>
    apiErrors.forbidden({ group: 'policy', resource: 'poddisruptionbudgets' }, name!, why);
  if (allowed < 0) throw forbid('pdb disruptions allowed is negative');
  if (Object.keys(status.disruptedPods ?? {}).length > disruptedPodsMax) {
    throw forbid('DisruptedPods map too big - too many evictions not confirmed by PDB controller');
  }
  if (allowed === 0) {
    const { desiredHealthy = 0, currentHealthy = 0 } = status;
    throw refused(
      `The disruption budget ${name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`,
    );
  }
  const disruptedPods = { ...status.disruptedPods, [pod.metadata.name!]: formatTime(nowMs) };
  budget['status'] = { ...status, disruptionsAllowed: allowed - 1, disruptedPods };
  orderMetadata(budget);
  return budget;
}

function refused(why: string, retryAfterSeconds?: number): StatusError {
  return new StatusError({
    code: 429,
    reason: 'TooManyRequests',
    message: "Cannot evict pod as it would violate the pod's disruption budget.",
    details: {
      causes: [{ reason: 'DisruptionBudget', message: why }],
      ...(retryAfterSeconds ? { retryAfterSeconds } : {}),
    },
  });
}
