/**
 * What `kubectl get pods` shows. STATUS is the most telling of many: the first init container that is not done, else the
 * last container that waits or ended, else the phase; a deletion overrules them all.
 */
import type { KubeObject } from '#apimachinery/object.ts';
import { formatAge, parseTime } from '#apimachinery/time.ts';
import type { Strategy } from '../../kind.ts';
import { each, type Fields } from '../../set-default.ts';
import { ageOf, none } from '../../table-cells.ts';

export function podRow(pod: KubeObject, now: number): unknown[] {
  const { spec = {}, status = {} } = pod;
  const summary = summarize(pod);
  const gates = each(spec.readinessGates);
  return [
    pod.metadata.name ?? '',
    `${summary.ready}/${summary.total}`,
    summary.reason,
    restartsCell(summary.restarts, now),
    ageOf(pod, now),
    status.podIPs?.[0]?.ip || status.podIP || none,
    spec.nodeName || none,
    status.nominatedNodeName || none,
    gates.length === 0 ? none : `${gates.filter((gate) => isTrue(status, gate.conditionType)).length}/${gates.length}`,
  ];
}

type RowCondition = ReturnType<NonNullable<Strategy['tableRowConditions']>>[number];

/** For the row's `conditions`: kubectl fades out pods that are over. */
export function podRowConditions({ status }: KubeObject): RowCondition[] {
  const over = (reason: string, message: string) => [{ type: 'Completed', status: 'True', reason, message }];
  if (status?.phase === 'Succeeded') return over('Succeeded', 'The pod has completed successfully.');
  if (status?.phase === 'Failed') return over('Failed', 'The pod failed.');
  return [];
}

interface Summary {
  reason: string;
  ready: number;
  total: number;
}

interface Restarts {
  count: number;
  /** ms; when a container last ended, 0: never. */
  last: number;
}

function summarize(pod: KubeObject): Summary & { restarts: Restarts } {
  const { spec = {}, status = {} } = pod;
  const summary: Summary = {
    reason: status.reason || status.phase || '',
    ready: 0,
    total: each(spec.containers).length,
  };
  if (isGated(status)) summary.reason = 'SchedulingGated';
  const sidecars = new Set<string>();
  for (const container of each(spec.initContainers))
    if (container.restartPolicy === 'Always') sidecars.add(container.name);
  summary.total += sidecars.size;
  const initStatuses = each(status.initContainerStatuses);
  const initializing = addInitContainers(summary, initStatuses, each(spec.initContainers).length, sidecars);
  let restarts = restartsOf(initStatuses);
  if (!initializing || isTrue(status, 'Initialized')) {
    addContainers(summary, status);
    // Restarts of init containers that are done are history; sidecars go on.
    const living = initStatuses.filter((container) => sidecars.has(container.name));
    restarts = restartsOf([...living, ...each(status.containerStatuses)]);
  }
  if (pod.metadata.deletionTimestamp) {
    if (status.reason === 'NodeLost') summary.reason = 'Unknown';
    else if (status.phase !== 'Succeeded' && status.phase !== 'Failed') summary.reason = 'Terminating';
  }
  return { ...summary, restarts };
}

function isGated(status: Fields): boolean {
  return each(status.conditions).some((c) => c.type === 'PodScheduled' && c.reason === 'SchedulingGated');
}

/** True while some init container is not done: then the others do not matter yet. */
function addInitContainers(summary: Summary, statuses: Fields[], total: number, sidecars: Set<string>): boolean {
  for (const [i, container] of statuses.entries()) {
    const { waiting, terminated } = container.state ?? {};
    if (terminated?.exitCode === 0) continue;
    if (sidecars.has(container.name) && container.started) {
      if (container.ready) summary.ready++;
      continue;
    }
    if (terminated) summary.reason = `Init:${endReason(terminated)}`;
    else if (waiting?.reason && waiting.reason !== 'PodInitializing') summary.reason = `Init:${waiting.reason}`;
    else summary.reason = `Init:${i}/${total}`;
    return true;
  }
  return false;
}

function addContainers(summary: Summary, status: Fields): void {
  let running = false;
  // From the last to the first, so that the first one's reason stays.
  for (const container of each(status.containerStatuses).reverse()) {
    const state = container.state ?? {};
    if (state.waiting?.reason) summary.reason = state.waiting.reason;
    else if (state.terminated) summary.reason = endReason(state.terminated);
    else if (container.ready && state.running) {
      running = true;
      summary.ready++;
    }
  }
  if (summary.reason === 'Completed' && running) summary.reason = isTrue(status, 'Ready') ? 'Running' : 'NotReady';
}

function endReason({ reason, signal, exitCode }: Fields): string {
  return reason || (signal ? `Signal:${signal}` : `ExitCode:${exitCode ?? 0}`);
}

function restartsOf(statuses: Fields[]): Restarts {
  const restarts = { count: 0, last: 0 };
  for (const { restartCount, lastState } of statuses) {
    restarts.count += restartCount ?? 0;
    restarts.last = Math.max(restarts.last, parseTime(lastState?.terminated?.finishedAt) ?? 0);
  }
  return restarts;
}

function restartsCell({ count, last }: Restarts, now: number): string {
  return count > 0 && last > 0 ? `${count} (${formatAge(now - last)} ago)` : `${count}`;
}

function isTrue(status: Fields, type: string): boolean {
  return each(status.conditions).some((condition) => condition.type === type && condition.status === 'True');
}
