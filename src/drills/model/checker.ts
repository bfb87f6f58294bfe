/**
 * The front door: was what these clients saw a store that keeps its promises? docs/consistency.md has the promises.
 *
 *     const verdict = check(history, { truth });
 *     if (!verdict.isConsistent) console.log(verdictText(verdict));
 */
import { attribute } from './attribution.ts';
import type { History, StoreHistory } from './history.ts';
import { listChecks } from './lists.ts';
import { judgeOrder } from './revision-order.ts';
import { Timeline } from './timeline.ts';
import { type Violation, violation, violationText } from './violation.ts';
import { judgeWatches } from './watch-validator.ts';

export type { Rule, Violation } from './violation.ts';

export interface CheckOptions {
  /** The store's own account of everything after its `since`. */
  truth: StoreHistory;
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

export function check(history: History, options: CheckOptions): Verdict {
  const timeline = new Timeline(options.truth);
  const attribution = attribute(history.operations, history.watches, timeline, options.isOurs ?? (() => true));
  const violations = [
    ...timeline.faults.map(({ revision, key, text }) =>
      violation('store history', `${key} at revision ${revision}: ${text}`, 'one order of changes', { key, revision }),
    ),
    ...attribution.violations,
    ...judgeOrder(history, timeline, attribution, listChecks(history.operations)),
    ...judgeWatches(history.watches, timeline, attribution, options),
  ];
  return verdictOf(history, timeline, violations);
}

export function verdictText(verdict: Verdict): string {
  const { operations, unknown, failed, watches, events, bookmarks, revisions } = verdict.counts;
  const seen = `${operations} operations (${unknown} of unknown outcome, ${failed} refused) over ${revisions} revisions; ${watches} watches, ${events} events, ${bookmarks} bookmarks`;
  if (verdict.isConsistent) return `consistent: ${seen}`;
  const more = verdict.violationCount - verdict.violations.length;
  return [
    `NOT consistent: ${verdict.violationCount} violations in ${seen}`,
    ...verdict.violations.map(violationText),
    ...(more > 0 ? [`and ${more} more`] : []),
  ].join('\n\n');
}

function verdictOf(history: History, timeline: Timeline, violations: readonly Violation[]): Verdict {
  const { operations, watches } = history;
  const items = watches.flatMap((w) => w.items);
  const bookmarks = items.filter((item) => item.type === 'BOOKMARK').length;
  const errors = items.filter((item) => item.type === 'ERROR').length;
  return {
    isConsistent: violations.length === 0,
    violations: violations.slice(0, violationsMax),
    violationCount: violations.length,
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
