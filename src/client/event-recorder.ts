import type { KubeObject } from '#apimachinery/object.ts';
import { isStatusError } from '#apimachinery/status-error.ts';
import { formatTime } from '#apimachinery/time.ts';
import { type Clock, sleep } from '#base/clock.ts';
import { messageOf } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { ApiClient } from './client.ts';
import type { EventRecorder } from './recorder.ts';

export interface EventRecorderOptions {
  client: ApiClient;
  /** `default-scheduler`, `deployment-controller`, `kubelet`. */
  component: string;
  /** The node, for those who live on one. */
  host?: string;
  clock: Clock;
  random: () => number;
  log: Logger;
}

export interface BufferedEventRecorder extends EventRecorder {
  /** Resolves when all that was recorded is written or given up. */
  flush(): Promise<void>;
}

const queueEventsMax = 1000;
/** Events whose repeats are counted, the least recently seen forgotten first. */
const knownEventsMax = 4096;
const triesMax = 4;
const retryMs = 1_000;
const messageCharsMax = 1024;
const eventsResource = { group: '', version: 'v1', resource: 'events' };

/**
 * Writes core/v1 Events one after another, so that a repeat finds what its first occurrence made. Nothing of it is
 * awaited by the caller; when the API server is away the queue fills and the newest are dropped.
 */
export function createEventRecorder(options: EventRecorderOptions): BufferedEventRecorder {
  const { client, component, host, clock, random, log } = options;
  const queue: KubeObject[] = [];
  const known = new Map<string, { name: string; count: number }>();
  let draining: Promise<void> | undefined;

  async function drain(): Promise<void> {
    for (let event = queue[0]; event; event = queue[0]) {
      await write(event);
      queue.shift();
    }
  }

  async function write(event: KubeObject): Promise<void> {
    const events = client.resource(eventsResource, event.metadata.namespace);
    const key = aggregationKey(event);
    for (let attempt = 1; ; attempt++) {
      const before = known.get(key);
      known.delete(key);
      try {
        if (before) {
          const count = before.count + 1;
          const patch = { count, lastTimestamp: event.lastTimestamp };
          await events.patch(before.name, 'application/merge-patch+json', patch);
          remember(key, { name: before.name, count });
        } else {
          await events.create(event);
          remember(key, { name: event.metadata.name!, count: 1 });
        }
        return;
      } catch (error) {
        if (before && isStatusError(error, 'NotFound')) continue;
        const isRefused = isStatusError(error) && error.code < 500 && error.code !== 429;
        if (isRefused || attempt === triesMax) {
          log.warn({ reason: event.reason, error: messageOf(error) }, 'an event was dropped');
          return;
        }
        if (before) remember(key, before);
        await sleep(clock, retryMs * attempt * (0.5 + random()));
      }
    }
  }

  function remember(key: string, value: { name: string; count: number }): void {
    known.set(key, value);
    if (known.size > knownEventsMax) known.delete(known.keys().next().value!);
  }

  return {
    event(object, type, reason, message) {
      if (queue.length >= queueEventsMax) return;
      queue.push(newEvent(object, { type, reason, message, component, host, now: clock.now(), random }));
      draining ??= drain().finally(() => {
        draining = undefined;
      });
    },
    flush: async () => draining,
  };
}

function newEvent(
  object: KubeObject,
  about: {
    type: string;
    reason: string;
    message: string;
    component: string;
    host: string | undefined;
    now: number;
    random: () => number;
  },
): KubeObject {
  const { name, uid, resourceVersion } = object.metadata;
  // Cluster-scoped objects' events live in `default`, as upstream has it.
  const namespace = object.metadata.namespace || 'default';
  const timestamp = formatTime(about.now);
  const unique = BigInt(Math.floor(about.now)) * 1_000_000n + BigInt(Math.floor(about.random() * 1_000_000));
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: `${name}.${unique.toString(16)}`, namespace },
    involvedObject: {
      kind: object.kind,
      ...(object.metadata.namespace ? { namespace } : {}),
      name,
      uid,
      apiVersion: object.apiVersion,
      ...(resourceVersion ? { resourceVersion } : {}),
    },
    reason: about.reason,
    message: about.message.slice(0, messageCharsMax),
    source: { component: about.component, ...(about.host ? { host: about.host } : {}) },
    firstTimestamp: timestamp,
    lastTimestamp: timestamp,
    count: 1,
    type: about.type,
    eventTime: null,
    reportingComponent: about.component,
    reportingInstance: about.host ?? '',
  };
}

function aggregationKey(event: KubeObject): string {
  const { namespace, name, uid } = event.involvedObject;
  return JSON.stringify([namespace, name, uid, event.type, event.reason, event.message]);
}
