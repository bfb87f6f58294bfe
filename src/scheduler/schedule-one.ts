/**
 * One pod, from the queue to its node. The *scheduling cycle* is synchronous: it finds the nodes that fit, takes the
 * best, and assumes the pod there, so that the next pod reckons with it. The *binding cycle* tells the API server and
 * runs beside the next pods' scheduling cycles; when it fails, the assumption is taken back and the pod queued again.
 */
import { formatTime } from '#apimachinery/time.ts';
import type { Clock } from '#base/clock.ts';
import { messageOf } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { ApiClient } from '#client/client.ts';
import type { EventRecorder } from '#client/recorder.ts';
import { type Pod, podsResource } from './api-objects.ts';
import type { SchedulerCache } from './cache/scheduler-cache.ts';
import { findNode } from './find-node.ts';
import { CycleState } from './framework/cycle-state.ts';
import { fitErrorMessage } from './framework/fit-error.ts';
import type { Framework } from './framework/framework.ts';
import type { Diagnosis } from './framework/plugin.ts';
import { isRejected, type Status } from './framework/status.ts';
import type { QueuedPodInfo } from './queue/queued-pod-info.ts';
import type { SchedulingQueue } from './queue/scheduling-queue.ts';
import type { SchedulingObserver } from './scheduling-observer.ts';

export interface SchedulingContext {
  client: ApiClient;
  framework: Framework;
  cache: SchedulerCache;
  queue: SchedulingQueue;
  recorder: EventRecorder;
  observer: SchedulingObserver;
  clock: Clock;
  random: () => number;
  log: Logger;
}

/** The binding cycle, when the pod got a node; it never rejects. */
export function scheduleOne(context: SchedulingContext, queued: QueuedPodInfo): Promise<void> | undefined {
  const { cache, clock, framework, observer, queue } = context;
  const { pod } = queued.info;
  if (pod.metadata.deletionTimestamp || cache.isAssumed(queued.key)) {
    queue.done(queued);
    return undefined;
  }
  const startedAt = clock.monotonic();
  const state = new CycleState();
  const found = findNode(context, state, queued.info);
  observer.nodeChosen(clock.monotonic() - startedAt);
  if ('diagnosis' in found) {
    framework.postFilter(state, queued.info, found.diagnosis);
    observer.attempted('unschedulable', clock.monotonic() - startedAt);
    rejected(context, queued, fitErrorMessage(cache.nodes.length, found.diagnosis), found.diagnosis);
    return undefined;
  }

  const { nodeName } = found;
  cache.assume(queued.info, nodeName);
  const refusal = framework.reserve(state, queued.info, nodeName) ?? framework.permit(state, queued.info, nodeName);
  if (refusal) {
    takeBack(context, state, queued, nodeName, refusal, startedAt);
    return undefined;
  }
  return bindingCycle(context, state, queued, nodeName, startedAt);
}

async function bindingCycle(
  context: SchedulingContext,
  state: CycleState,
  queued: QueuedPodInfo,
  nodeName: string,
  startedAt: number,
): Promise<void> {
  const { clock, framework, observer, queue, recorder } = context;
  const { pod } = queued.info;
  const failure =
    (await framework.preBind(state, queued.info, nodeName)) ?? (await framework.bind(state, queued.info, nodeName));
  if (failure) {
    takeBack(context, state, queued, nodeName, failure, startedAt);
    return;
  }
  queue.done(queued);
  framework.postBind(state, queued.info, nodeName);
  const now = clock.monotonic();
  observer.attempted('scheduled', now - startedAt);
  observer.scheduled(queued.attempts, now - (queued.firstAttemptMs ?? startedAt));
  const { namespace, name } = pod.metadata;
  recorder.event(pod, 'Normal', 'Scheduled', `Successfully assigned ${namespace}/${name} to ${nodeName}`);
}

/** The assumption did not hold: its room is free again, which may help others. */
function takeBack(
  context: SchedulingContext,
  state: CycleState,
  queued: QueuedPodInfo,
  nodeName: string,
  failure: Status,
  startedAt: number,
): void {
  const { cache, clock, framework, observer, queue } = context;
  framework.unreserve(state, queued.info, nodeName);
  cache.forget(queued.key);
  const isRefusal = isRejected(failure);
  observer.attempted(isRefusal ? 'unschedulable' : 'error', clock.monotonic() - startedAt);
  const message = failure.reasons.join(', ');
  if (isRefusal) {
    const plugins = new Set(failure.plugin ? [failure.plugin] : []);
    rejected(context, queued, `0/${cache.nodes.length} nodes are available: 1 ${message}.`, {
      unschedulablePlugins: plugins,
    });
  } else failed(context, queued, message);
  queue.moveAllOnEvent({ resource: 'Pod', action: 'Delete' });
}

/** No node fits: the pod says so, and waits for a change. */
function rejected(
  context: SchedulingContext,
  queued: QueuedPodInfo,
  message: string,
  { unschedulablePlugins }: Pick<Diagnosis, 'unschedulablePlugins'>,
): void {
  context.queue.addUnschedulable(queued, unschedulablePlugins);
  context.log.info({ pod: queued.key, message }, 'no node fits the pod');
  report(context, queued.info.pod, 'Unschedulable', message);
}

function failed(context: SchedulingContext, queued: QueuedPodInfo, message: string): void {
  context.queue.addFailed(queued);
  context.log.warn({ pod: queued.key, error: message }, 'scheduling the pod failed: trying again');
  report(context, queued.info.pod, 'SchedulerError', message);
}

/** The event, and the condition PodScheduled=False; nothing is written when the pod already says the same. */
function report(context: SchedulingContext, pod: Pod, reason: string, message: string): void {
  const { client, clock, log, recorder } = context;
  recorder.event(pod, 'Warning', 'FailedScheduling', message);
  const old = pod.status?.conditions?.find((c) => c.type === 'PodScheduled');
  if (old?.status === 'False' && old.reason === reason && old.message === message) return;
  const condition = {
    type: 'PodScheduled',
    status: 'False',
    reason,
    message,
    observedGeneration: pod.metadata.generation,
    lastProbeTime: null,
    lastTransitionTime: old?.status === 'False' ? old.lastTransitionTime : formatTime(clock.now()),
  };
  const { namespace, name, uid } = pod.metadata;
  client
    .resource(podsResource, namespace)
    .patch(
      name!,
      'application/strategic-merge-patch+json',
      { metadata: { uid }, status: { conditions: [condition] } },
      { subresource: 'status' },
    )
    .catch((error) => log.warn({ pod: `${namespace}/${name}`, error: messageOf(error) }, 'cannot set PodScheduled'));
}
