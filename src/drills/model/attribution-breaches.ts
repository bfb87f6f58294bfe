/** Why an acknowledgement and the store's account do not fit together, in words. */
import type { OperationRecord } from './history.ts';
import { effectOf, intentOf, isWrite, type KeyChange, keysOf, sameContents } from './semantics.ts';
import type { Change, Timeline } from './timeline.ts';
import { changeText, storedText, type Violation, violation } from './violation.ts';

/** An acknowledgement that the store's account does not bear out. */
export function judgeAcknowledged(
  record: OperationRecord,
  revision: number,
  timeline: Timeline,
  writerOf: ReadonlyMap<number, OperationRecord>,
): Violation {
  const { operation } = record;
  const changes = timeline.changesAt(revision);
  const effect = effectOf(operation, (key) => timeline.at(key, revision - 1));
  const key = keysOf(operation)[0]!;
  const there = changes.find((c) => c.key === key);
  const other = writerOf.get(revision);
  const lines = changes.map(changeText);
  const evidence = { key, revision, operations: [record, other], lines };
  if (revision > timeline.until || !there) {
    const elsewhere = findElsewhere(record, timeline);
    if (elsewhere) {
      return violation(
        'acknowledged at another revision',
        `the write of ${key} was acknowledged at revision ${revision}, but the store has it at ${elsewhere.revision}`,
        `an acknowledgement with revision ${elsewhere.revision}`,
        { ...evidence, lines: [changeText(elsewhere)] },
      );
    }
    return violation(
      'lost write',
      `the write of ${key} was acknowledged at revision ${revision}, where the store has no change of it`,
      `the store keeps what it acknowledged, or the client is told that it failed or that the outcome is unknown`,
      evidence,
    );
  }
  if (effect.type === 'failed' && isEffect([intentOf(operation, there.before)!], changes)) {
    return violation(
      'guard did not hold',
      `the ${operation.type} of ${key} succeeded, but before it there was ${storedText(there.before)}`,
      `it fails: ${effect.reason}`,
      evidence,
    );
  }
  return violation(
    'revision used twice',
    `the write of ${key} was acknowledged at revision ${revision}, which is another change`,
    'every write has a revision of its own',
    evidence,
  );
}

function findElsewhere({ operation }: OperationRecord, timeline: Timeline): Change | undefined {
  const key = keysOf(operation)[0]!;
  for (const { revision } of timeline.versionsOf(key)) {
    const change = timeline.changesAt(revision).find((c) => c.key === key);
    if (!change?.after) continue;
    const intent = intentOf(operation, change.before);
    if (intent?.contents && sameContents(intent.contents, change.after.contents)) return change;
  }
  return undefined;
}

/** A change that no write can have made: whose was it? */
export function judgeUnclaimed(
  revision: number,
  operations: readonly OperationRecord[],
  timeline: Timeline,
  writerOf: ReadonlyMap<number, OperationRecord>,
  isOurs: (key: string) => boolean,
): Violation {
  const changes = timeline.changesAt(revision).filter((c) => isOurs(c.key));
  const { key, before, after } = changes[0]!;
  const evidence = { key, revision, lines: changes.map(changeText) };
  const makes = (record: OperationRecord) => {
    const intent = intentOf(record.operation, before);
    if (intent) return intent.key === key && sameContents(intent.contents, after?.contents);
    if (record.operation.type !== 'txn') return false;
    const steps = [...record.operation.success, ...record.operation.failure];
    return steps.some((s) => s.key === key && s.type === 'put' && sameContents(s.contents, after?.contents));
  };
  const told = operations.find(
    (o) => isWrite(o.operation) && o.outcome.type === 'ok' && o.outcome.revision === revision,
  );
  if (told?.operation.type === 'txn') {
    return violation(
      'guard did not hold',
      `the transaction that was answered with revision ${revision} says that it took another branch than was done`,
      'the branch that its compares decide',
      { ...evidence, operations: [told] },
    );
  }
  const failed = operations.find(
    (o) => o.outcome.type === 'failed' && makes(o) && effectOf(o.operation, () => before).type === 'changes',
  );
  if (failed) {
    return violation(
      'failed write was applied',
      `revision ${revision} of ${key} was made by a write whose client was told that it failed`,
      'an error that leaves the outcome open, or no change',
      { ...evidence, operations: [failed] },
    );
  }
  const [first, writer] = [...writerOf].find(([, record]) => after && makes(record)) ?? [];
  if (writer) {
    const isBack = before === undefined;
    return violation(
      isBack ? 'deleted object came back' : 'write applied twice',
      `revision ${revision} repeats for ${key} what was written at revision ${first}`,
      'a write takes effect once',
      { ...evidence, operations: [writer] },
    );
  }
  const deletes = after ? [] : operations.filter((o) => o.operation.type === 'delete' && o.operation.key === key);
  return violation(
    'change without a writer',
    `revision ${revision} changes ${key} to ${storedText(after)}, which nobody asked for${deletes.length ? ' then' : ''}`,
    'only what a client wrote',
    { ...evidence, operations: [told, ...deletes.slice(0, 3)] },
  );
}

/** Acknowledged without a revision, and nothing is there. */
export function lostWithoutRevision(record: OperationRecord): Violation {
  const key = keysOf(record.operation)[0]!;
  return violation(
    'lost write',
    `the ${record.operation.type} of ${key} was acknowledged, but the store has no change by it in its time`,
    'the change is there, at a revision between those known before the request and after the answer',
    { key, operations: [record] },
  );
}

/** The changes are those that were wanted, no more and no less. */
export function isEffect(wanted: readonly KeyChange[], changes: readonly Change[]): boolean {
  return (
    wanted.length === changes.length &&
    wanted.every(({ key, contents }) => {
      const change = changes.find((c) => c.key === key);
      return change !== undefined && sameContents(contents, change.after?.contents);
    })
  );
}
