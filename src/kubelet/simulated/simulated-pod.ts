import { createHash } from 'node:crypto';
import { parseDuration } from '#base/flags.ts';
import {
  annotations,
  type Container,
  type ContainerState,
  type ContainerStatus,
  type Pod,
  type PodStatus,
  timestamp,
} from '../pod.ts';
import { podStatus } from '../pod-status.ts';

export interface SimulatedFacts {
  hostIP: string;
  podIP: string;
  /** Epoch milliseconds. */
  now: number;
}

/** What a pod of a Job takes when it does not say. */
const jobRunMs = 1000;

/** The status a pod has when everything in it works: running, or over when it has run for its time. */
export function simulatedStatus(pod: Pod, { hostIP, podIP, now }: SimulatedFacts): PodStatus {
  const startedAt = startOf(pod) ?? now;
  const runMs = runDurationMs(pod);
  const isOver = runMs !== undefined && now >= startedAt + runMs;
  return podStatus({
    pod,
    initContainers: (pod.spec.initContainers ?? []).map((c) => {
      return containerStatus(pod, c, startedAt, c.restartPolicy === 'Always' && !isOver ? undefined : startedAt);
    }),
    containers: pod.spec.containers.map((c) => containerStatus(pod, c, startedAt, isOver ? now : undefined)),
    hostIP,
    podIP,
    startedAt,
    now,
    previous: pod.status,
  });
}

/** Milliseconds from its start until the pod has succeeded; undefined: it runs until it is deleted. */
export function runDurationMs(pod: Pod): number | undefined {
  if ((pod.spec.restartPolicy ?? 'Always') === 'Always') return undefined;
  const text = pod.metadata.annotations?.[annotations.runDuration];
  const asked = text === undefined ? undefined : parseDuration(text);
  if (asked !== undefined) return Math.max(0, asked);
  return pod.metadata.ownerReferences?.some((o) => o.controller && o.kind === 'Job') ? jobRunMs : undefined;
}

/** Epoch milliseconds; undefined before it was started. */
export function startOf(pod: Pod): number | undefined {
  const at = Date.parse(pod.status?.startTime ?? '');
  return Number.isNaN(at) ? undefined : at;
}

function containerStatus(
  pod: Pod,
  container: Container,
  startedAt: number,
  endedAt: number | undefined,
): ContainerStatus {
  const id = digest(`${pod.metadata.uid}/${container.name}`);
  const image = normalizeImage(container.image ?? '');
  const containerID = `evenkeel://${id}`;
  const startText = timestamp(startedAt);
  const state: ContainerState =
    endedAt === undefined
      ? { running: { startedAt: startText } }
      : {
          terminated: {
            exitCode: 0,
            reason: 'Completed',
            startedAt: startText,
            finishedAt: timestamp(endedAt),
            containerID,
          },
        };
  const isRunning = endedAt === undefined;
  return {
    name: container.name,
    state,
    lastState: {},
    // An init container that has done its work counts as ready, as upstream.
    ready: isRunning || (pod.spec.initContainers ?? []).includes(container),
    restartCount: 0,
    image,
    imageID: `${image.replace(/:[^:/]*$/, '')}@sha256:${digest(image)}`,
    containerID,
    started: isRunning,
  };
}

/** `nginx` is `docker.io/library/nginx:latest`, as a container runtime reports it. */
function normalizeImage(image: string): string {
  if (image.includes('@')) return image;
  const first = image.split('/')[0]!;
  const hasRegistry = image.includes('/') && (/[.:]/.test(first) || first === 'localhost');
  const full = hasRegistry ? image : `docker.io/${image.includes('/') ? '' : 'library/'}${image}`;
  return /:[^/]*$/.test(full) ? full : `${full}:latest`;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
