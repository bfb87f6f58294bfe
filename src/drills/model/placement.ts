/** Where in the order of revisions one operation takes effect, and what is wrong when there is no such place. */
import type { Attribution } from './attribution.ts';
import type { Freshness, OperationRecord, Stored } from './history.ts';
import { judgeList, type ListChecks } from './lists.ts';
import { comparesHold, isWrite, keysOf, refusalIsTrue, sameStored } from './semantics.ts';
import type { Timeline } from './timeline.ts';
import { changeText, storedText, type Violation, violation } from './violation.ts';

/** Where an operation takes effect; no point: it says nothing of when. */
export type Placement = { readonly point?: number; readonly violations?: readonly Violation[] };

/** The newest revision known to be there, and who knew it. */
export interface Known {
  readonly revision: number;
  readonly by?: OperationRecord;
  readonly line?: string;
}
export const nothingKnown: Known = { revision: 0 };

export function place(
  record: OperationRecord,
  known: Known,
  byServer: ReadonlyMap<string, Known>,
  timeline: Timeline,
  attribution: Attribution,
  lists: ListChecks,
): Placement {
  const { operation, outcome } = record;
  const written = attribution.revisionOf.get(record.id);
  if (written !== undefined) return placeWrite(record, written, known, timeline);
  if (outcome.type === 'unknown') return {};

  const newest = attribution.newestAt(record.returned ?? Infinity);
  if (operation.type === 'list' || operation.type === 'get') {
    if (outcome.type === 'failed' && outcome.reason !== 'absent') return {};
    const low = lowest(operation.freshness, record, known, byServer);
    if (operation.type === 'list') return placeList(record, low, newest, timeline, lists);
    if (outcome.type === 'ok' && outcome.revision !== undefined) {
      return placeReadAt(record, outcome.revision, low, newest, timeline);
    }
    if (typeof operation.freshness === 'object' && 'exact' in operation.freshness) {
      return placeReadAt(record, operation.freshness.exact, low, newest, timeline);
    }
    return placeRead(record, outcome.type === 'ok' ? (outcome.object ?? null) : null, low, newest, timeline);
  }
  if (outcome.type === 'failed') return placeRefusal(record, known, newest, timeline);
  if (operation.type === 'txn' && outcome.revision !== undefined) return placeTxnRead(record, known, timeline);
  return outcome.revision === undefined ? {} : placeIdle(record, outcome.revision, known, timeline);
}

/** A write that found everything as it wants it: at some moment of the request the key was at that revision. */
function placeIdle(record: OperationRecord, revision: number, known: Known, timeline: Timeline): Placement {
  const key = keysOf(record.operation)[0]!;
  const now = timeline.at(key, known.revision);
  if (!now || now.revision <= revision) return { point: Math.max(revision, known.revision) };
  const message = `the ${record.operation.type} of ${key} changed nothing of revision ${revision}, which was past when it was asked for`;
  const evidence = { key, revision, ...witness(known, record) };
  return { violations: [violation('stale read', message, `it is held against ${storedText(now)}`, evidence)] };
}

function placeWrite(record: OperationRecord, revision: number, known: Known, timeline: Timeline): Placement {
  const violations: Violation[] = [];
  const key = keysOf(record.operation)[0]!;
  if (revision <= known.revision) {
    violations.push(
      violation(
        'write out of order',
        `the write of ${key} made revision ${revision}, but before it was asked for revision ${known.revision} was known`,
        `a revision above ${known.revision}`,
        { key, revision, ...witness(known, record) },
      ),
    );
  }
  violations.push(...judgeAnswer(record, revision, timeline));
  return { point: revision, violations };
}

/** What a write's answer says of the object it made and the one before. */
function judgeAnswer(record: OperationRecord, revision: number, timeline: Timeline): Violation[] {
  const { operation, outcome } = record;
  if (outcome.type !== 'ok') return [];
  const violations: Violation[] = [];
  const key = keysOf(operation)[0]!;
  const evidence = { key, revision, operations: [record] };
  const after = timeline.at(key, revision);
  const before = timeline.at(key, revision - 1);
  const { object, previous } = outcome;
  if (object && operation.type !== 'delete' && !sameStored(object, after)) {
    const message = `the ${operation.type} of ${key} was answered with ${storedText(object)}`;
    violations.push(violation('wrong answer', message, storedText(after), evidence));
  }
  if (previous !== undefined && !sameStored(previous, before)) {
    const message = `the ${operation.type} of ${key} says that before it there was ${storedText(previous)}`;
    violations.push(violation('wrong previous', message, storedText(before), evidence));
  }
  if (operation.type === 'txn') violations.push(...judgeTxn(record, revision - 1, timeline));
  return violations;
}

function judgeTxn(record: OperationRecord, stateRevision: number, timeline: Timeline): Violation[] {
  const { operation, outcome } = record;
  if (operation.type !== 'txn' || outcome.type !== 'ok') return [];
  const lookup = (key: string) => timeline.at(key, stateRevision);
  const holds = comparesHold(operation.compare, lookup);
  const lines = operation.compare.map((c) => `store: before it, ${c.key}: ${storedText(lookup(c.key))}`);
  const evidence = { revision: stateRevision, operations: [record], lines };
  if (outcome.succeeded !== undefined && outcome.succeeded !== holds) {
    return [
      violation(
        'guard did not hold',
        `the transaction says that its compares ${outcome.succeeded ? 'held' : 'did not hold'}`,
        `they ${holds ? 'held' : 'did not hold'}`,
        evidence,
      ),
    ];
  }
  const gets = (holds ? operation.success : operation.failure).filter((step) => step.type === 'get');
  const wrong = gets.find((step, i) => outcome.found && !sameStored(outcome.found[i] ?? null, lookup(step.key)));
  if (!wrong) return [];
  const message = `the transaction found ${wrong.key} other than it was at revision ${stateRevision}`;
  return [violation('wrong answer', message, storedText(lookup(wrong.key)), { ...evidence, key: wrong.key })];
}

/** A transaction that wrote nothing reads the state at the revision of its answer. */
function placeTxnRead(record: OperationRecord, known: Known, timeline: Timeline): Placement {
  const revision = (record.outcome as { revision: number }).revision;
  const violations = judgeTxn(record, revision, timeline);
  if (revision < known.revision) violations.push(staleAt(record, revision, known));
  return { point: revision, violations };
}

function placeReadAt(
  record: OperationRecord,
  revision: number,
  low: Known,
  newest: number,
  timeline: Timeline,
): Placement {
  const { operation, outcome } = record;
  if (operation.type !== 'get') return {};
  const { key } = operation;
  if (revision > newest || revision > timeline.until) return { violations: [fromTheFuture(record, revision, key)] };
  if (revision < low.revision) return { violations: [staleAt(record, revision, low)] };
  const told = outcome.type === 'ok' ? (outcome.object ?? null) : null;
  const right = timeline.at(key, revision);
  if (sameStored(told, right)) return { point: revision };
  const lines = right ? timeline.changesAt(right.revision).map(changeText) : [];
  return {
    point: revision,
    violations: [
      violation(
        neverWas(told, key, timeline) ? 'state that never was' : 'stale read',
        `the get of ${key} as of revision ${revision} found ${storedText(told)}`,
        storedText(right),
        { key, revision, operations: [record], lines },
      ),
    ],
  };
}

/** Of a read that does not tell its revision: the earliest at which the key was so. */
function placeRead(
  record: OperationRecord,
  told: Stored | null,
  low: Known,
  newest: number,
  timeline: Timeline,
): Placement {
  const key = keysOf(record.operation)[0]!;
  // An old answer from before the account begins.
  if (told && told.revision < timeline.since && chainOf(record) !== undefined) return {};
  for (const version of timeline.versionsBetween(key, low.revision, newest)) {
    if (sameStored(told, version.stored)) return { point: Math.max(version.revision, low.revision) };
  }
  const now = timeline.at(key, low.revision);
  const lines = now ? timeline.changesAt(now.revision).map(changeText) : goneLines(key, low.revision, timeline);
  const found = `the get of ${key} found ${storedText(told)}`;
  const legal = `${storedText(now)}, or what it became while the request was under way`;
  if (neverWas(told, key, timeline)) {
    const message = `${found}, which the store never was`;
    return { violations: [violation('state that never was', message, legal, { key, operations: [record], lines })] };
  }
  if (told && told.revision > newest) return { violations: [fromTheFuture(record, told.revision, key)] };
  const rule = low.by && chainOf(record) !== undefined ? 'read went back' : 'stale read';
  const message = `${found}, though before it was asked revision ${low.revision} was known, when it was so no more`;
  return { violations: [violation(rule, message, legal, { key, ...witness(low, record), lines })] };
}

/** `exists`, `absent`, `conflict`: the state must have allowed it at some moment of the request. */
function placeRefusal(record: OperationRecord, known: Known, newest: number, timeline: Timeline): Placement {
  const { operation, outcome } = record;
  if (outcome.type !== 'failed' || operation.type === 'txn' || !('key' in operation)) return {};
  const { reason } = outcome;
  if (reason === 'refused' || reason === 'expired') return {};
  const { key } = operation;
  const seen: string[] = [];
  for (const version of timeline.versionsBetween(key, known.revision, newest)) {
    if (refusalIsTrue(operation, reason, version.stored)) {
      return { point: Math.max(version.revision, known.revision) };
    }
    if (seen.length < 3) seen.push(`store: meanwhile ${key}: ${storedText(version.stored)}`);
  }
  return {
    violations: [
      violation(
        'wrong refusal',
        `the ${operation.type} of ${key} was refused (${reason}), but at no moment of the request that was true`,
        'it succeeds, or fails for another reason',
        { key, ...witness(known, record), lines: seen },
      ),
    ],
  };
}

function placeList(
  record: OperationRecord,
  low: Known,
  newest: number,
  timeline: Timeline,
  lists: ListChecks,
): Placement {
  const { outcome } = record;
  if (outcome.type !== 'ok') return {};
  const revision = outcome.revision ?? 0;
  const violations = judgeList(record, revision, timeline, lists);
  if (revision > newest || revision > timeline.until) violations.push(fromTheFuture(record, revision));
  else if (revision < low.revision) violations.push(staleAt(record, revision, low));
  return { point: Math.min(revision, newest), violations };
}

function lowest(
  freshness: Freshness,
  record: OperationRecord,
  known: Known,
  byServer: ReadonlyMap<string, Known>,
): Known {
  // A page is as old as the first one.
  if (record.operation.type === 'list' && record.operation.continues !== undefined) return nothingKnown;
  if (freshness === 'consistent') return known;
  if (typeof freshness === 'object' && 'exact' in freshness) return nothingKnown;
  const server = chainOf(record);
  const before = (server !== undefined && byServer.get(server)) || nothingKnown;
  return freshness !== 'any' && freshness.atLeast > before.revision ? { revision: freshness.atLeast } : before;
}

/** The server that promises never to go back, for the reads that promise no more than that. */
export function chainOf({ operation, server }: OperationRecord): string | undefined {
  if (isWrite(operation) || !('freshness' in operation) || operation.freshness === 'consistent') return undefined;
  return typeof operation.freshness === 'object' && 'exact' in operation.freshness ? undefined : server;
}

function staleAt(record: OperationRecord, revision: number, low: Known): Violation {
  return violation(
    low.by && chainOf(record) !== undefined ? 'read went back' : 'stale read',
    `the ${record.operation.type} read the state of revision ${revision}, though before it was asked revision ${low.revision} was known`,
    `the state at revision ${low.revision} or later`,
    { revision, ...witness(low, record) },
  );
}

function fromTheFuture(record: OperationRecord, revision: number, key?: string): Violation {
  return violation(
    'read from the future',
    `the ${record.operation.type} saw revision ${revision} before it can have been there`,
    'nothing that was not asked for before the answer',
    { revision, ...(key !== undefined && { key }), operations: [record] },
  );
}

function witness(known: Known, record: OperationRecord): { operations: OperationRecord[]; lines?: string[] } {
  if (known.by) return { operations: [known.by, record] };
  return { operations: [record], ...(known.line !== undefined && { lines: [known.line] }) };
}

function goneLines(key: string, revision: number, timeline: Timeline): string[] {
  const last = timeline.versionsOf(key).findLast((version) => version.revision <= revision);
  return last ? timeline.changesAt(last.revision).map(changeText) : [];
}

function neverWas(told: Stored | null, key: string, timeline: Timeline): boolean {
  return told !== null && !sameStored(told, timeline.at(key, told.revision));
}
