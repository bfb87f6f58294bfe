import { type ContainerStatus, type Pod, type PodCondition, type PodStatus, timestamp } from './pod.ts';

export interface PodFacts {
  pod: Pod;
  initContainers: ContainerStatus[];
  containers: ContainerStatus[];
  hostIP: string;
  podIP: string;
  /** Epoch milliseconds. */
  startedAt: number;
  now: number;
  /** What was reported before: a condition keeps its transition time while it keeps its status. */
  previous?: PodStatus;
}

/** The status of a pod from its containers' statuses, by upstream's rules for phase and conditions. */
export function podStatus(facts: PodFacts): PodStatus {
  const { pod, containers, initContainers } = facts;
  const phase = phaseOf(pod, initContainers, containers);
  const isOver = phase === 'Succeeded' || phase === 'Failed';
  const initialized = initContainers.every(isInitialized);
  const unready = containers.filter((c) => !c.ready).map((c) => c.name);
  const unmetGates = (pod.spec.readinessGates ?? []).filter(
    (gate) => facts.previous?.conditions?.find((c) => c.type === gate.conditionType)?.status !== 'True',
  );
  const notReady: Reason | undefined = isOver
    ? { reason: phase === 'Succeeded' ? 'PodCompleted' : 'PodFailed' }
    : unready.length > 0
      ? { reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` }
      : undefined;
  const gates: Reason | undefined =
    unmetGates.length > 0
      ? {
          reason: 'ReadinessGatesNotReady',
          message: unmetGates
            .map((g) => `corresponding condition of pod readiness gate "${g.conditionType}" is not "True".`)
            .join(', '),
        }
      : undefined;
  const condition = conditionsOf(facts);
  return {
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    phase,
    conditions: [
      condition('PodReadyToStartContainers', isOver ? {} : undefined),
      condition('Initialized', initialized ? undefined : { reason: 'ContainersNotInitialized' }),
      condition('Ready', notReady ?? gates),
      condition('ContainersReady', notReady),
      condition('PodScheduled', undefined),
      ...othersOf(facts.previous?.conditions),
    ],
    hostIP: facts.hostIP,
    hostIPs: [{ ip: facts.hostIP }],
    podIP: facts.podIP,
    podIPs: [{ ip: facts.podIP }],
    startTime: timestamp(facts.startedAt),
    ...(initContainers.length > 0 ? { initContainerStatuses: initContainers } : {}),
    containerStatuses: containers,
  };
}

interface Reason {
  reason?: string;
  message?: string;
}

const ownConditions = ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'];

/** Conditions that others set, such as readiness gates. */
function othersOf(conditions: PodCondition[] = []): PodCondition[] {
  return conditions.filter((c) => !ownConditions.includes(c.type));
}

/** A condition that holds unless a reason is given why not. */
function conditionsOf({ pod, previous, now }: PodFacts): (type: string, whyNot: Reason | undefined) => PodCondition {
  const { generation } = pod.metadata;
  return (type, whyNot) => {
    const status = whyNot === undefined ? 'True' : 'False';
    const before = previous?.conditions?.find((c) => c.type === type);
    return {
      type,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
      status,
      lastProbeTime: null,
      lastTransitionTime: before?.status === status ? before.lastTransitionTime! : timestamp(now),
      ...whyNot,
    };
  };
}

/** Has done its part; a sidecar does when it has started. */
function isInitialized(status: ContainerStatus): boolean {
  return status.state.terminated?.exitCode === 0 || status.started;
}

function phaseOf(pod: Pod, initContainers: ContainerStatus[], containers: ContainerStatus[]): PodStatus['phase'] {
  const policy = pod.spec.restartPolicy ?? 'Always';
  const brokenInit = initContainers.some((c) => c.state.terminated && c.state.terminated.exitCode !== 0);
  if (brokenInit && policy === 'Never') return 'Failed';
  if (!initContainers.every(isInitialized)) return 'Pending';
  if (containers.some((c) => !c.state.running && !c.state.terminated && !c.lastState.terminated)) return 'Pending';
  const ended = containers.map((c) => c.state.terminated);
  if (policy === 'Always' || ended.some((t) => t === undefined)) return 'Running';
  if (ended.every((t) => t!.exitCode === 0)) return 'Succeeded';
  return policy === 'Never' ? 'Failed' : 'Running';
}
