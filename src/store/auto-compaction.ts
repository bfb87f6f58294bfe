import type { Clock, Timer } from '#base/clock.ts';
import type { Store } from './store.ts';

/** Compacts without being asked: what is older than `retentionMs`, or all but the last `revisions`. */
export type AutoCompaction = { mode: 'periodic'; retentionMs: number } | { mode: 'revision'; revisions: number };

const revisionModeIntervalMs = 5 * 60_000;
/** A periodic compaction looks this often per retention, so that history is between 1 and 1.1 retentions long. */
const samplesPerRetention = 10;

export function startAutoCompaction(store: Store, compaction: AutoCompaction, clock: Clock): { stop(): void } {
  const samples: number[] = [];
  const intervalMs =
    compaction.mode === 'revision'
      ? revisionModeIntervalMs
      : Math.max(1000, compaction.retentionMs / samplesPerRetention);
  let timer: Timer;
  const tick = () => {
    timer = clock.setTimer(intervalMs, tick);
    let revision = store.revision;
    if (compaction.mode === 'revision') revision -= compaction.revisions;
    else {
      samples.push(revision);
      revision = samples.length > samplesPerRetention ? samples.shift()! : 0;
    }
    if (revision > store.compactRevision) store.compact(revision, false).catch(() => {});
  };
  timer = clock.setTimer(intervalMs, tick);
  return { stop: () => timer.cancel() };
}
