/**
 * What is said of a run at its end: the history by the checker of src/drills/model/, against what the disk knows to have
 * happened; and what only a world can see, such as leases by its clock and timers that nobody cancelled.
 */
import { check } from '#drills/model/checker.ts';
import type { History, StoreHistory } from '#drills/model/history.ts';
import { type Violation as Found, violationText } from '#drills/model/violation.ts';
import type { OpenWatch } from './recorder.ts';
import type { Violation, World } from './world.ts';

/** Of a process at rest: the watch of the store, bookmarks, lease expiry, redials. */
const timersAtRestMax = 60;

export function judge(world: World, truth: StoreHistory): Violation[] {
  const expiring = new Set([...world.expiring.values()].map(({ key }) => key));
  const { operations, watches } = world.recorder;
  const strict = watches.filter((watch) => !watch.isCoalesced());
  const history: History = { operations, watches: strict };
  const verdict = check(history, { truth, isOurs: (key) => !expiring.has(key) });
  return [
    ...verdict.violations
      .filter((found) => !isCutWithinRevision(found, strict) && !isSharedDeletion(found, world))
      .map((found) => ({ what: found.rule, detail: violationText(found) })),
    ...judgeExpiry(world),
    ...judgeRest(world),
  ];
}

/**
 * A stream that breaks between two events of one transaction: nothing in Kubernetes' protocol tells the client, which goes
 * on after that revision. API servers write one key a revision; only others, and leases that end with several keys, do not.
 */
function isCutWithinRevision({ rule, revision, watches }: Found, all: readonly OpenWatch[]): boolean {
  if (rule !== 'transaction split' || revision !== undefined) return false;
  return all.find(({ id }) => id === watches[0])!.ended !== Number.MAX_SAFE_INTEGER;
}

/**
 * Two deleted one object at a time, and the answer of the second was lost: gone is gone, both are told so. A deletion has no
 * content by which its maker could be known.
 */
function isSharedDeletion({ rule, operations }: Found, world: World): boolean {
  const operation = world.recorder.operations.find(({ id }) => rule === 'lost write' && id === operations[0]);
  if (operation?.operation.type !== 'delete') return false;
  const { key } = operation.operation;
  const { invoked, returned } = operation;
  return world.disk.truth.some(
    ({ row, committedAt }) =>
      row.version === 0 && row.key.toString() === key && committedAt > invoked && committedAt < returned!,
  );
}

/** A key with a TTL lives as long as it was promised, and not much longer. */
function judgeExpiry(world: World): Violation[] {
  const violations: Violation[] = [];
  const rows = world.disk.truth;
  for (const [operation, { key, ttlSeconds, atMs }] of world.expiring) {
    const made = rows.findIndex(({ row }) => row.version === 1 && writerOf(row.value) === String(operation));
    if (made < 0) continue;
    const next = rows.slice(made + 1).find(({ row }) => row.key.toString() === key);
    const isOurEnd = next !== undefined && next.row.version === 0;
    const endedAt = isOurEnd ? next.atMs : undefined;
    const isByClient = world.recorder.operations.some(
      ({ operation: o }) =>
        (o.type === 'delete' && o.key === key) || (o.type === 'txn' && o.success.some((s) => s.key === key)),
    );
    if (endedAt !== undefined && endedAt < atMs + ttlSeconds * 1000 && !isByClient) {
      violations.push({
        what: 'expired too early',
        detail: `${key} of #${operation}: ${endedAt - atMs} ms of ${ttlSeconds} s`,
      });
    }
    if (next === undefined && world.scheduler.now > world.expiredBy(rows[made]!.atMs, ttlSeconds)) {
      violations.push({ what: 'never expired', detail: `${key} of #${operation} is still there, ${ttlSeconds} s` });
    }
  }
  return violations;
}

function judgeRest(world: World): Violation[] {
  const processes = [world.store?.process, ...world.servers.map((api) => api?.process)];
  return processes
    .filter((process) => process && process.timers > timersAtRestMax)
    .map((process) => ({ what: 'timers left', detail: `${process!.name} has ${process!.timers} timers at rest` }));
}

function writerOf(value: Buffer): string | undefined {
  return value.length === 0 ? undefined : JSON.parse(value.toString()).data?.by;
}
