/**
 * Linearizability where the store tells its order. Every operation takes effect at a revision; a write at the one it
 * made, a read at one where the store was as it was told. The history is linearizable when those revisions can be
 * chosen such that whoever began after another had ended is not placed before it. Going through time once and placing
 * each operation as early as it can be decides that exactly: an earlier place never hinders a later operation.
 */
import type { Attribution } from './attribution.ts';
import type { History, OperationRecord, WatchRecord } from './history.ts';
import type { ListChecks } from './lists.ts';
import { chainOf, type Known, nothingKnown, place } from './placement.ts';
import type { Timeline } from './timeline.ts';
import { itemText, type Violation, violation } from './violation.ts';

interface Moment {
  readonly at: number;
  readonly type: 'invoked' | 'returned' | 'seen';
  readonly operation?: OperationRecord;
  readonly watch?: WatchRecord;
  readonly known?: Known;
}

export function judgeOrder(
  history: History,
  timeline: Timeline,
  attribution: Attribution,
  lists: ListChecks,
): Violation[] {
  const violations: Violation[] = [];
  const points = new Map<number, number>();
  const initialKnown = new Map<number, Known>();
  const byServer = new Map<string, Known>();
  let known = nothingKnown;
  for (const moment of momentsOf(history, timeline.until)) {
    const { operation, watch } = moment;
    if (moment.type === 'seen') {
      if (moment.known!.revision > known.revision) known = moment.known!;
    } else if (watch) {
      initialKnown.set(watch.id, known);
    } else if (operation && moment.type === 'invoked') {
      const placement = place(operation, known, byServer, timeline, attribution, lists);
      if (placement.violations) violations.push(...placement.violations);
      if (placement.point !== undefined) points.set(operation.id, placement.point);
    } else if (operation) {
      const revision = points.get(operation.id);
      if (revision === undefined) continue;
      if (revision > known.revision) known = { revision, by: operation };
      const server = chainOf(operation);
      if (server !== undefined && revision > (byServer.get(server)?.revision ?? 0)) {
        byServer.set(server, { revision, by: operation });
      }
    }
  }
  for (const watch of history.watches) {
    const stale = staleStart(watch, initialKnown.get(watch.id) ?? nothingKnown);
    if (stale) violations.push(stale);
  }
  return violations;
}

/**
 * Everything that happens, in time; of what happens at once, beginnings first: equal times overlap. A revision beyond
 * the end proves nothing: who told it is found to have told of the future.
 */
function momentsOf({ operations, watches }: History, until: number): Moment[] {
  const moments: Moment[] = [];
  for (const operation of operations) {
    moments.push({ at: operation.invoked, type: 'invoked', operation });
    if (operation.outcome.type === 'unknown' || operation.returned === undefined) continue;
    moments.push({ at: operation.returned, type: 'returned', operation });
  }
  for (const watch of watches) {
    moments.push({ at: watch.invoked, type: 'invoked', watch });
    let highest = 0;
    for (const item of watch.items) {
      if (item.type === 'ERROR' || item.revision <= highest || item.revision > until) continue;
      highest = item.revision;
      const line = `watch #${watch.id} ${watch.client}: ${itemText(item)}`;
      moments.push({ at: item.at, type: 'seen', known: { revision: item.revision, line } });
    }
  }
  const rank = { invoked: 0, returned: 1, seen: 1 };
  return moments.sort((a, b) => a.at - b.at || rank[a.type] - rank[b.type]);
}

function staleStart(watch: WatchRecord, known: Known): Violation | undefined {
  if (!('initial' in watch.start)) return undefined;
  const end = watch.items.find((item) => item.type === 'BOOKMARK' && item.isInitialEnd);
  if (!end || end.type === 'ERROR') return undefined;
  const { initial } = watch.start;
  const least = initial === 'consistent' ? known : { revision: initial === 'any' ? 0 : initial.atLeast };
  if (end.revision >= least.revision) return undefined;
  return violation(
    'stale initial events',
    `the initial events are of revision ${end.revision}, though revision ${least.revision} was asked for or known before`,
    `the state at revision ${least.revision} or later`,
    { watches: [watch], operations: [least.by], ...(least.line && { lines: [least.line] }) },
  );
}
