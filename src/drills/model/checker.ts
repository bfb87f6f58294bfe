/**
 * The front door: was what these clients saw a store that keeps its promises? docs/consistency.md has the promises.
 *
 *     const verdict = check(history, { truth });
 *     if (!verdict.isConsistent) console.log(verdictText(verdict));
 *
 * With the store's own account every operation and event is judged, in about the time it takes to read them. Without
 * it the account is merged from what the clients were told, and an order is searched for object by object.
 */
import { attribute } from './attribution.ts';
import type { History, Stored, StoreHistory } from './history.ts';
import { listChecks } from './lists.ts';
import { mergeTruth } from './merge-truth.ts';
import { searchObjects } from './object-search.ts';
import { judgeOrder } from './revision-order.ts';
import { Timeline } from './timeline.ts';
import { type Violation, violation, violationText } from './violation.ts';
import { judgeWatches } from './watch-validator.ts';

export type {
  History,
  Operation,
  OperationRecord,
  Outcome,
  Stored,
  StoreEvent,
  StoreHistory,
  WatchItem,
  WatchRecord,
} from './history.ts';
export type { Rule, Violation } from './violation.ts';

export interface CheckOptions {
  /** The store's own account of everything after its `since`. Absent: merged from the history. */
  truth?: StoreHistory;
  /** Without a truth: the state when the recording began, and its revision. Default: nothing, 0. */
  initial?: readonly Stored[];
  since?: number;
  /** Without a truth: tries of the search for each object. Default 500,000. */
  triesMax?: number;
  /** Keys that only the recorded clients write. Default: all. A change of such a key must have a writer. */
  isOurs?: (key: string) => boolean;
  /** In the history's unit of time: see WatchChecks. */
  silenceMax?: number;
}

export interface Verdict {
  readonly isConsistent: boolean;
  /** At most 100, those of the store and of writes first. */
  readonly violations: readonly Violation[];
  readonly violationCount: number;
  readonly counts: VerdictCounts;
  /** Without a truth: objects on which the search gave up. Nothing is known of them. */
  readonly undecided: readonly string[];
}

export interface VerdictCounts {
  readonly operations: number;
  readonly unknown: number;
  readonly failed: number;
  readonly watches: number;
  readonly events: number;
  readonly bookmarks: number;
  readonly revisions: number;
}

const violationsMax = 100;

/**
 * Judges a history. Throws only for what is no history (an unreadable label selector). Time and memory grow with the
 * history, about linearly when there is a truth; without one the search may give up on an object: see `undecided`.
 */
export function check(history: History, options: CheckOptions = {}): Verdict {
  return options.truth ? checkAgainst(options.truth, history, options) : checkMerged(history, options);
}

function checkAgainst(truth: StoreHistory, history: History, options: CheckOptions): Verdict {
  const timeline = new Timeline(truth);
  const attribution = attribute(history.operations, history.watches, timeline, options.isOurs ?? (() => true));
  return verdictOf(history, timeline, [
    ...faultsOf(timeline),
    ...attribution.violations,
    ...judgeOrder(history, timeline, attribution, listChecks(history.operations)),
    ...judgeWatches(history.watches, timeline, attribution, options),
  ]);
}

function checkMerged(history: History, options: CheckOptions): Verdict {
  const { truth, isUncertain } = mergeTruth(history, options);
  const timeline = new Timeline(truth);
  // Only for the times of what is known: who did the rest is the search's question.
  const attribution = attribute(history.operations, history.watches, timeline, () => false);
  const { violations, undecided } = searchObjects(history, options.triesMax);
  const all = [
    ...faultsOf(timeline).filter(({ key }) => !isUncertain(key!)),
    ...violations,
    ...judgeWatches(history.watches, timeline, attribution, { ...options, isUncertain }),
  ];
  return verdictOf(history, timeline, all, undecided);
}

function faultsOf(timeline: Timeline): Violation[] {
  return timeline.faults.map(({ revision, key, text }) =>
    violation('store history', `${key} at revision ${revision}: ${text}`, 'one order of changes', { key, revision }),
  );
}

/** For people: one line when all is well, else each breach with what would have been legal and who saw it. */
export function verdictText(verdict: Verdict): string {
  const { operations, unknown, failed, watches, events, bookmarks, revisions } = verdict.counts;
  const seen = `${operations} operations (${unknown} of unknown outcome, ${failed} refused) over ${revisions} revisions; ${watches} watches, ${events} events, ${bookmarks} bookmarks`;
  const open = verdict.undecided.length > 0 ? `; undecided: ${verdict.undecided.join(', ')}` : '';
  if (verdict.isConsistent) return `consistent: ${seen}${open}`;
  const more = verdict.violationCount - verdict.violations.length;
  return [
    `NOT consistent: ${verdict.violationCount} violations in ${seen}${open}`,
    ...verdict.violations.map(violationText),
    ...(more > 0 ? [`and ${more} more`] : []),
  ].join('\n\n');
}

function verdictOf(
  history: History,
  timeline: Timeline,
  violations: readonly Violation[],
  undecided: readonly string[] = [],
): Verdict {
  const { operations, watches } = history;
  const items = watches.flatMap((w) => w.items);
  const bookmarks = items.filter((item) => item.type === 'BOOKMARK').length;
  const errors = items.filter((item) => item.type === 'ERROR').length;
  return {
    isConsistent: violations.length === 0,
    violations: violations.slice(0, violationsMax),
    violationCount: violations.length,
    undecided,
    counts: {
      operations: operations.length,
      unknown: operations.filter((o) => o.outcome.type === 'unknown').length,
      failed: operations.filter((o) => o.outcome.type === 'failed').length,
      watches: watches.length,
      events: items.length - bookmarks - errors,
      bookmarks,
      revisions: timeline.revisions.length,
    },
  };
}
