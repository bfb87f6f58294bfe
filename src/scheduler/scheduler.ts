/**
 * The scheduler: start reading here. It owns the queue of waiting pods and the cache of what is where; both are
 * rebuilt from the API server at every start, so nothing is lost with the process. Informers feed them (event-
 * handlers.ts) whether we lead or not, so that a standby begins with a warm cache; the loop below runs only while we
 * lead. The worst that a stale cache can do is to overfill a node, which its kubelet then refuses; a pod that is bound
 * already is never bound again: the API server refuses that.
 */
import { type Clock, sleep } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import type { ApiClient } from '#client/client.ts';
import type { InformerFactory } from '#client/informer.ts';
import type { EventRecorder } from '#client/recorder.ts';
import { type Node, namespacesResource, nodesResource, type Pod, podsResource } from './api-objects.ts';
import { SchedulerCache } from './cache/scheduler-cache.ts';
import { defaultPlugins } from './default-plugins.ts';
import { handleNodes, handlePods } from './event-handlers.ts';
import { Framework, type WeightedPlugin } from './framework/framework.ts';
import { SchedulingQueue } from './queue/scheduling-queue.ts';
import { type SchedulingContext, scheduleOne } from './schedule-one.ts';
import { noObserver, type SchedulingObserver } from './scheduling-observer.ts';

export interface SchedulerOptions {
  client: ApiClient;
  informers: InformerFactory;
  recorder: EventRecorder;
  clock: Clock;
  random: () => number;
  log: Logger;
  observer?: SchedulingObserver;
  /** Default `default-scheduler`. */
  schedulerName?: string;
  /** Default: upstream's default profile. */
  plugins?: WeightedPlugin[];
  podInitialBackoffMs?: number;
  podMaxBackoffMs?: number;
  podMaxInUnschedulablePodsMs?: number;
}

export interface Scheduler {
  /** Schedules until the signal aborts and the bindings on their way have ended. May be run again. */
  run(signal: AbortSignal): Promise<void>;
  readonly cache: SchedulerCache;
  readonly queue: SchedulingQueue;
  readonly synced: boolean;
}

/** Beyond this many bindings on their way, the next pod waits. */
const bindingsMax = 100;
/** After so long without a pause, let the network have a turn. */
const sliceMs = 10;

export function createScheduler(options: SchedulerOptions): Scheduler {
  const { client, informers, clock } = options;
  const schedulerName = options.schedulerName ?? 'default-scheduler';
  const observer = options.observer ?? noObserver;
  const namespaces = informers.informer(namespacesResource);
  const namespaceLabels = (name: string) => namespaces.get(name)?.metadata.labels ?? {};
  const framework = new Framework(options.plugins ?? defaultPlugins(client, namespaceLabels));
  const cache = new SchedulerCache();
  const queue = new SchedulingQueue({
    ...options,
    less: framework.less,
    preEnqueue: (pod) => framework.preEnqueue(pod),
    onIncoming: (name, event) => observer.incoming(name, event),
  });
  const nodes = informers.informer<Node>(nodesResource);
  // Finished pods use nothing.
  const pods = informers.informer<Pod>(podsResource, {
    fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed',
  });
  handleNodes(nodes, { cache, queue, schedulerName });
  handlePods(pods, { cache, queue, schedulerName });
  const context: SchedulingContext = { ...options, framework, cache, queue, observer };

  return {
    cache,
    queue,
    get synced() {
      return nodes.synced && pods.synced && namespaces.synced;
    },
    async run(signal) {
      await nodes.whenSynced(signal);
      await pods.whenSynced(signal);
      await namespaces.whenSynced(signal);
      const bindings = new Set<Promise<void>>();
      let sliceEndsAt = clock.monotonic() + sliceMs;
      while (!signal.aborted) {
        if (bindings.size >= bindingsMax) await Promise.race(bindings);
        const queued = queue.pop();
        if (!queued) {
          await queue.whenReady(signal);
          sliceEndsAt = clock.monotonic() + sliceMs;
          continue;
        }
        const binding = scheduleOne(context, queued);
        if (binding) {
          bindings.add(binding);
          void binding.then(() => bindings.delete(binding));
        }
        if (clock.monotonic() >= sliceEndsAt) {
          await sleep(clock, 0);
          sliceEndsAt = clock.monotonic() + sliceMs;
        }
      }
      await Promise.all(bindings);
    },
  };
}
