/** /debug/api_priority_and_fairness/…: what the levels and queues hold now, as tables for people. */
import type { ApiRequest, ApiResponse } from '../request.ts';
import type { FlowControl } from './flow-control.ts';

const root = '/debug/api_priority_and_fairness/';

export const flowControlPaths: readonly string[] = [
  `${root}dump_priority_levels`,
  `${root}dump_queues`,
  `${root}dump_requests`,
];

export function createFlowControlDebug(flowControl: FlowControl) {
  const dumps: Record<string, () => string[][]> = {
    [flowControlPaths[0]!]: () => dumpLevels(flowControl),
    [flowControlPaths[1]!]: () => dumpQueues(flowControl),
    [flowControlPaths[2]!]: () => dumpRequests(flowControl),
  };
  return async (request: ApiRequest): Promise<ApiResponse | undefined> => {
    const dump = Object.hasOwn(dumps, request.url.pathname) ? dumps[request.url.pathname] : undefined;
    if (!dump) return undefined;
    return { status: 200, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: csv(dump()) };
  };
}

function dumpLevels(flowControl: FlowControl): string[][] {
  const rows = [
    [
      'PriorityLevelName',
      'ActiveQueues',
      'IsIdle',
      'IsQuiescing',
      'WaitingRequests',
      'ExecutingRequests',
      'SeatsInUse',
      'SeatLimit',
    ],
  ];
  for (const { name, queues, isExempt } of flowControl.levels) {
    const active = queues.queues().filter((queue) => queue.waiting.length > 0).length;
    rows.push([
      name,
      String(active),
      String(queues.isIdle),
      'false',
      String(queues.waiting),
      String(queues.executing),
      String(queues.seatsInUse),
      isExempt ? 'none' : String(queues.limit),
    ]);
  }
  return rows;
}

function dumpQueues(flowControl: FlowControl): string[][] {
  const rows = [
    [
      'PriorityLevelName',
      'Index',
      'PendingRequests',
      'ExecutingRequests',
      'SeatsInUse',
      'NextDispatchR',
      'InitialSeatsSum',
    ],
  ];
  for (const { name, queues } of flowControl.levels) {
    for (const queue of queues.queues()) {
      rows.push([
        name,
        String(queue.index),
        String(queue.waiting.length),
        String(queue.executing),
        String(queue.seatsInUse),
        `${queue.nextDispatchR.toFixed(8)}ss`,
        String(queue.waitingSeats),
      ]);
    }
  }
  return rows;
}

function dumpRequests(flowControl: FlowControl): string[][] {
  const rows = [
    [
      'PriorityLevelName',
      'QueueIndex',
      'RequestIndexInQueue',
      'FlowDistinguisher',
      'InitialSeats',
      'FinalSeats',
      'AdditionalLatency',
    ],
  ];
  for (const { name, queues } of flowControl.levels) {
    for (const queue of queues.queues()) {
      for (const [i, { flow, work }] of queue.waiting.entries()) {
        const { initialSeats, finalSeats, finalMs } = work;
        rows.push([
          name,
          String(queue.index),
          String(i),
          flow,
          String(initialSeats),
          String(finalSeats),
          `${finalMs}ms`,
        ]);
      }
    }
  }
  return rows;
}

/** A user's name may hold anything: one that could end a cell is quoted. */
function csv(rows: string[][]): string {
  const cell = (text: string) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return rows.map((row) => `${row.map(cell).join(', ')}\n`).join('');
}
