/** Compacts without being asked, by etcd's rules: by age (`periodic`), or by the number of revisions. */
import type { Clock, Timer } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import type { Store } from './store.ts';
import { StoreError } from './store-error.ts';

export type AutoCompaction = { mode: 'periodic'; retentionMs: number } | { mode: 'revision'; revisions: number };

const revisionModeIntervalMs = 5 * 60_000;
/** A long retention is compacted every hour all the same. */
const compactIntervalMsMax = 3_600_000;
/** Looks per compaction: how exactly "so long ago" is known, and how soon a failed one is tried again. */
const looksPerInterval = 10;
const lookMsMin = 10;

type Compactable = Pick<Store, 'revision' | 'compactRevision' | 'compact'>;
/** Called at each look. The revision to compact at, if it is time. */
interface Rule {
  everyMs: number;
  due(revision: number, now: number): number | undefined;
  done(revision: number, now: number): void;
}

export function startAutoCompaction(
  store: Compactable,
  compaction: AutoCompaction,
  clock: Clock,
  log: Logger,
): { stop(): void } {
  const rule =
    compaction.mode === 'periodic'
      ? byAge(compaction.retentionMs, store.revision, clock.monotonic())
      : byRevisions(compaction.revisions);
  let timer: Timer;
  const look = () => {
    timer = clock.setTimer(rule.everyMs, look);
    const now = clock.monotonic();
    const revision = rule.due(store.revision, now);
    if (revision === undefined) return;
    if (revision <= store.compactRevision) {
      rule.done(revision, now);
      return;
    }
    store.compact(revision, false).then(
      () => rule.done(revision, now),
      (error: unknown) => {
        if (!(error instanceof StoreError)) throw error;
        log.warn({ revision, error: error.message }, 'automatic compaction failed, and is tried again');
      },
    );
  };
  timer = clock.setTimer(rule.everyMs, look);
  return { stop: () => timer.cancel() };
}

/**
 * Worked example, 24 h: the revision is noted every 6 minutes; the first compaction is after 24 h, at the revision of
 * the start; then there is one every hour, at the revision of 24 h before.
 */
function byAge(retentionMs: number, revision: number, now: number): Rule {
  const intervalMs = Math.min(retentionMs, compactIntervalMsMax);
  const everyMs = Math.max(lookMsMin, intervalMs / looksPerInterval);
  const looksMax = Math.floor(retentionMs / everyMs) + 1;
  const revisions = [revision];
  let last = now;
  let waitMs = retentionMs;
  return {
    everyMs,
    due(current, at) {
      const due = at - last >= waitMs ? revisions[0] : undefined;
      revisions.push(current);
      if (revisions.length > looksMax) revisions.shift();
      return due;
    },
    done(_revision, at) {
      last = at;
      waitMs = intervalMs;
    },
  };
}

function byRevisions(kept: number): Rule {
  let last = 0;
  return {
    everyMs: revisionModeIntervalMs,
    due(current) {
      const revision = current - kept;
      return revision > 0 && revision !== last ? revision : undefined;
    },
    done(revision) {
      last = revision;
    },
  };
}
