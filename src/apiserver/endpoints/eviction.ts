import type { KubeObject } from '#apimachinery/object.ts';
import { apiErrors, isStatusError } from '#apimachinery/status-error.ts';
import { formatTime } from '#apimachinery/time.ts';
import { negotiate } from '../content/accept.ts';
import { decodeBody } from '../content/body.ts';
import { valueResponse } from '../content/encode.ts';
import { orderMetadata } from '../registry/object-meta.ts';
import type { DeleteOptions, ResourceRegistry, WriteContext } from '../registry/registry.ts';
import { chargeDisruptionBudget } from './disruption-budget.ts';
import { type Endpoint, isDryRun, writeContext } from './endpoint.ts';

/** The pod may change between the question and its deletion, so often. */
const attemptsMax = 5;

/** A deletion that asks the pod's disruption budget first; 429 while that would be overdrawn. */
export const eviction: Endpoint = async (context, request, served) => {
  const representation = negotiate(request, 'value');
  const { namespace, name } = request.info;
  const object = await decodeBody(request, served.scheme, { group: 'policy', version: 'v1', kind: 'Eviction' });
  if (object.metadata.name && object.metadata.name !== name) {
    throw apiErrors.badRequest('name in URL does not match name in Eviction object');
  }
  const { dryRun, ...options } = object['deleteOptions'] ?? {};
  const write = writeContext(request);
  write.dryRun ||= isDryRun(dryRun ?? [], request);
  const pods = context.registry.resource('', 'pods')!;
  const pod = (await pods.storage.get(pods.key(namespace, name)))?.object();
  if (!pod) throw apiErrors.notFound(pods.info, name);
  const nowMs = context.clock.now();
  if (!isOver(pod)) await chargeDisruptionBudget(context.registry, write, pod, nowMs);
  await evict(pods, write, namespace, name, options, nowMs);
  const status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };
  return valueResponse(request, status, representation, 201);
};

/** Nobody counts on it: no budget is asked. */
function isOver(pod: KubeObject): boolean {
  const phase = pod['status']?.phase;
  return pod.metadata.deletionTimestamp !== undefined || ['Succeeded', 'Failed', 'Pending'].includes(phase);
}

/** Marked as disrupted, then deleted in just that state: what came between is not lost. */
async function evict(
  pods: ResourceRegistry,
  write: WriteContext,
  namespace: string,
  name: string,
  options: DeleteOptions,
  nowMs: number,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    let resourceVersion = options.preconditions?.resourceVersion;
    if (!write.dryRun && resourceVersion === undefined) {
      const marked = await pods.storage.guaranteedUpdate(pods.key(namespace, name), (pod) => {
        if (!pod) throw apiErrors.notFound(pods.info, name);
        return markDisrupted(pod, nowMs);
      });
      resourceVersion = String(marked!.revision);
    }
    const preconditions = { ...options.preconditions, ...(resourceVersion ? { resourceVersion } : {}) };
    try {
      return void (await pods.delete(write, namespace, name, { ...options, preconditions }));
    } catch (error) {
      const isRetried = isStatusError(error, 'Conflict') && options.preconditions === undefined;
      if (!isRetried || attempt === attemptsMax) throw error;
    }
  }
}

/** In place. */
function markDisrupted(pod: KubeObject, nowMs: number): KubeObject {
  pod['status'] ??= {};
  const conditions = (pod['status'].conditions ?? []) as { type: string; status: string }[];
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    lastProbeTime: null,
    lastTransitionTime: formatTime(nowMs),
    reason: 'EvictionByEvictionAPI',
    message: 'Eviction API: evicting',
  };
  const known = conditions.find((c) => c.type === condition.type);
  if (known?.status === 'True') return pod;
  pod['status'].conditions = [...conditions.filter((c) => c !== known), condition];
  orderMetadata(pod);
  return pod;
}
