/**
 * Which write made which revision. An acknowledged write names its revision; one of unknown outcome is recognised by
 * its contents. What is left over on either side is a breach: a write that was acknowledged and is not there, a change
 * that nobody made, or that somebody was told had failed.
 */

import { isEffect, judgeAcknowledged, judgeUnclaimed, lostWithoutRevision } from './attribution-breaches.ts';
import type { OperationRecord, WatchRecord } from './history.ts';
import { coverLeft, matchAll } from './matching.ts';
import { comparesHold, effectOf, isWrite, keysOf, sameContents } from './semantics.ts';
import { firstIndex, type Timeline } from './timeline.ts';
import type { Violation } from './violation.ts';

/** Of changes without a writer: one fault of a store makes thousands of them. */
const reportsMax = 100;

export interface Attribution {
  readonly writerOf: ReadonlyMap<number, OperationRecord>;
  /** By the id of the operation. A write that found everything as it wants it made none. */
  readonly revisionOf: ReadonlyMap<number, number>;
  /** When the revision was asked for at the earliest; -Infinity when by somebody who is not recorded. */
  invokedAt(revision: number): number;
  /** The newest revision that anybody can have seen at this time: all writes up to it had been invoked. */
  newestAt(time: number): number;
  readonly violations: readonly Violation[];
}

export function attribute(
  operations: readonly OperationRecord[],
  watches: readonly WatchRecord[],
  timeline: Timeline,
  isOurs: (key: string) => boolean,
): Attribution {
  const writerOf = new Map<number, OperationRecord>();
  const revisionOf = new Map<number, number>();
  const violations: Violation[] = [];

  // Of two that may have made one revision, one found everything done: it can be the one whose request came later.
  const acknowledgedWrites = operations
    .filter(({ operation, outcome }) => isWrite(operation) && outcome.type === 'ok' && outcome.revision !== undefined)
    .map((record) => ({ record, isIdle: isIdleAt(record, timeline) }))
    .sort((a, b) => Number(a.isIdle) - Number(b.isIdle) || a.record.invoked - b.record.invoked);
  for (const { record, isIdle } of acknowledgedWrites) {
    const { revision } = record.outcome as { revision: number };
    if (isWrittenAt(record, revision, timeline) && !writerOf.has(revision)) {
      writerOf.set(revision, record);
      revisionOf.set(record.id, revision);
    } else if (!isIdle) {
      violations.push(judgeAcknowledged(record, revision, timeline, writerOf));
    }
  }

  const unclaimed = timeline.revisions.filter(
    (revision) => !writerOf.has(revision) && timeline.changesAt(revision).some((c) => isOurs(c.key)),
  );
  const known = knownRevisions(operations, watches, timeline.until);
  const earliest = new Map<number, number>();
  for (const [revision, writer] of writerOf) earliest.set(revision, writer.invoked);
  const newestBefore = newestPossible(timeline.revisions, (r) => earliest.get(r) ?? -Infinity);

  const unplaced = operations.filter(
    ({ operation, outcome }) =>
      isWrite(operation) && (outcome.type === 'unknown' || (outcome.type === 'ok' && outcome.revision === undefined)),
  );
  const byKey = indexByKey(unplaced);
  const candidates = unclaimed.map((revision) =>
    candidatesFor(revision, byKey, timeline).filter((record) => {
      if (revision <= known(record.invoked)) return false;
      return record.outcome.type === 'unknown' || revision <= newestBefore(record.returned ?? Infinity);
    }),
  );
  const acknowledged = (record: OperationRecord) => record.outcome.type === 'ok';

  const { pairs, lonely } = matchAll(candidates, acknowledged);
  for (const [i, writer] of pairs) {
    writerOf.set(unclaimed[i]!, writer);
    // Where several may have done it, nothing may rely on one of them.
    if (candidates[i]!.length === 1) revisionOf.set(writer.id, unclaimed[i]!);
    earliest.set(unclaimed[i]!, Math.min(...candidates[i]!.map((record) => record.invoked)));
  }
  for (const i of lonely.slice(0, reportsMax)) {
    const inTime = operations.filter((record) => unclaimed[i]! > known(record.invoked));
    violations.push(judgeUnclaimed(unclaimed[i]!, inTime, timeline, writerOf, isOurs));
  }
  const mustBePlaced = unplaced.filter(
    (record) => acknowledged(record) && changesSomething(record) && keysOf(record.operation).every(isOurs),
  );
  for (const record of coverLeft(mustBePlaced, candidates)) violations.push(lostWithoutRevision(record));

  const invokedAt = (revision: number) => earliest.get(revision) ?? -Infinity;
  return { writerOf, revisionOf, invokedAt, newestAt: newestPossible(timeline.revisions, invokedAt), violations };
}

/**
 * The highest revision that was certainly there before a time, from what says its revision by itself. One that never
 * came to be is somebody's lie, reported elsewhere.
 */
function knownRevisions(
  operations: readonly OperationRecord[],
  watches: readonly WatchRecord[],
  until: number,
): (time: number) => number {
  const points: { at: number; revision: number }[] = [];
  for (const { outcome, returned } of operations) {
    if (outcome.type !== 'ok' || returned === undefined) continue;
    const revision = outcome.revision ?? outcome.object?.revision;
    if (revision !== undefined && revision <= until) points.push({ at: returned, revision });
  }
  for (const { items } of watches) {
    for (const item of items) if (item.type !== 'ERROR' && item.revision <= until) points.push(item);
  }

  points.sort((a, b) => a.at - b.at);
  let highest = 0;
  const highestUpTo = points.map(({ revision }) => {
    highest = Math.max(highest, revision);
    return highest;
  });
  return (time) => {
    const i = firstIndex(points.length, (index) => points[index]!.at >= time);
    return i === 0 ? 0 : highestUpTo[i - 1]!;
  };
}

function newestPossible(revisions: readonly number[], invokedAt: (revision: number) => number) {
  let latest = -Infinity;
  const latestUpTo = revisions.map((revision) => {
    latest = Math.max(latest, invokedAt(revision));
    return latest;
  });
  return (time: number) => {
    const i = firstIndex(revisions.length, (index) => latestUpTo[index]! > time);
    return i === revisions.length ? Infinity : revisions[i]! - 1;
  };
}

function isWrittenAt({ operation, outcome }: OperationRecord, revision: number, timeline: Timeline): boolean {
  const lookup = (key: string) => timeline.at(key, revision - 1);
  const effect = effectOf(operation, lookup);
  if (effect.type === 'failed' || effect.changes.length === 0) return false;
  const { succeeded } = outcome as { succeeded?: boolean };
  if (operation.type === 'txn' && succeeded !== undefined && succeeded !== comparesHold(operation.compare, lookup)) {
    return false;
  }
  return isEffect(effect.changes, timeline.changesAt(revision));
}

/** It would change nothing at the revision of its answer. */
function isIdleAt({ operation, outcome }: OperationRecord, timeline: Timeline): boolean {
  const { revision } = outcome as { revision: number };
  const effect = effectOf(operation, (key) => timeline.at(key, revision));
  if (effect.type === 'failed') return false;
  return effect.changes.every(({ key, contents }) => {
    const now = timeline.at(key, revision);
    return now?.revision === revision && sameContents(now.contents, contents);
  });
}

function candidatesFor(
  revision: number,
  byKey: ReadonlyMap<string, OperationRecord[]>,
  timeline: Timeline,
): OperationRecord[] {
  const changes = timeline.changesAt(revision);
  const lookup = (key: string) => timeline.at(key, revision - 1);
  return (byKey.get(changes[0]!.key) ?? []).filter(({ operation, outcome }) => {
    if (operation.type === 'delete' && outcome.type === 'ok' && outcome.uid !== undefined) {
      const uid = changes[0]!.before?.uid;
      if (uid !== undefined && uid !== outcome.uid) return false;
    }
    const effect = effectOf(operation, lookup);
    return effect.type === 'changes' && isEffect(effect.changes, changes);
  });
}

function changesSomething({ operation }: OperationRecord): boolean {
  return operation.type === 'delete' || operation.type === 'create' || operation.type === 'put';
}

function indexByKey(operations: readonly OperationRecord[]): Map<string, OperationRecord[]> {
  const index = new Map<string, OperationRecord[]>();
  for (const record of operations) {
    for (const key of keysOf(record.operation)) {
      const there = index.get(key);
      if (there) there.push(record);
      else index.set(key, [record]);
    }
  }
  return index;
}
