/** Making and deleting a ReplicaSet's pods. What was asked for stands in the expectations before it is asked. */
import { isStatusError } from '#apimachinery/status-error.ts';
import { messageOf } from '#base/errors.ts';
import type { ApiClient } from '#client/client.ts';
import { objectKey } from '#client/informer.ts';
import type { EventRecorder } from '#client/recorder.ts';
import { ownerReference } from '../adoption.ts';
import type { Expectations } from '../expectations.ts';
import { isNamespaceTerminating } from '../namespace-terminating.ts';
import { type Pod, type ReplicaSet, resources } from '../resources.ts';

export interface PodControl {
  client: ApiClient;
  recorder: EventRecorder;
  expectations: Expectations;
}

/** In batches of 1, 2, 4, …: when the first is refused (quota), the rest are not tried in vain. */
export async function createPods(rs: ReplicaSet, count: number, control: PodControl): Promise<void> {
  const { expectations } = control;
  const key = objectKey(rs);
  expectations.expectCreations(key, count);
  let left = count;
  for (let batch = 1; left > 0; batch *= 2) {
    const size = Math.min(batch, left);
    const results = await Promise.allSettled(Array.from({ length: size }, () => createPod(rs, control)));
    left -= size;
    const failed = results.filter((r) => r.status === 'rejected');
    if (failed.length === 0) continue;
    expectations.creationObserved(key, failed.length + left);
    if (isNamespaceTerminating(failed[0]!.reason)) return;
    throw failed[0]!.reason;
  }
}

async function createPod(rs: ReplicaSet, { client, recorder }: PodControl): Promise<void> {
  const { metadata = {}, spec } = rs.spec.template;
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: `${rs.metadata.name}-`,
      namespace: rs.metadata.namespace!,
      ...(metadata.labels && { labels: metadata.labels }),
      ...(metadata.annotations && { annotations: metadata.annotations }),
      ...(metadata.finalizers && { finalizers: metadata.finalizers }),
      ownerReferences: [ownerReference(rs)],
    },
    spec,
  } as unknown as Pod;
  try {
    const created = await client.resource<Pod>(resources.pods, rs.metadata.namespace).create(pod);
    recorder.event(rs, 'Normal', 'SuccessfulCreate', `Created pod: ${created.metadata.name}`);
  } catch (error) {
    if (!isNamespaceTerminating(error)) {
      recorder.event(rs, 'Warning', 'FailedCreate', `Error creating: ${messageOf(error)}`);
    }
    throw error;
  }
}

export async function deletePods(rs: ReplicaSet, victims: readonly Pod[], control: PodControl): Promise<void> {
  const { client, recorder, expectations } = control;
  const key = objectKey(rs);
  const uids = victims.map((pod) => pod.metadata.uid!);
  expectations.expectDeletions(key, uids);
  const api = client.resource(resources.pods, rs.metadata.namespace);
  const results = await Promise.allSettled(
    victims.map(async (pod) => {
      try {
        await api.delete(pod.metadata.name!, { preconditions: { uid: pod.metadata.uid! } });
        recorder.event(rs, 'Normal', 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`);
      } catch (error) {
        expectations.deletionObserved(key, pod.metadata.uid!);
        if (isStatusError(error, 'NotFound')) return;
        recorder.event(rs, 'Warning', 'FailedDelete', `Error deleting: ${messageOf(error)}`);
        throw error;
      }
    }),
  );
  const failed = results.find((r) => r.status === 'rejected');
  if (failed) throw failed.reason;
}
