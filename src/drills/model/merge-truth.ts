/**
 * The store's account as far as its clients know it: every write that was acknowledged with its revision, every event
 * and object that was shown. What took effect and was never seen is missing; keys where that may be so are uncertain.
 */
import type { Contents, History, OperationRecord, Stored, StoreEvent, StoreHistory, TxnStep } from './history.ts';
import { contentsText, isWrite, keysOf } from './semantics.ts';

export interface MergedTruth {
  readonly truth: StoreHistory;
  readonly isUncertain: (key: string) => boolean;
}

/** `before`: the state when the recording began; absent: nothing. */
export function mergeTruth(
  history: History,
  before: { initial?: readonly Stored[]; since?: number } = {},
): MergedTruth {
  const { initial = [], since = 0 } = before;
  const events = new Map<string, StoreEvent>();
  const add = (event: StoreEvent) => {
    const id = `${event.revision} ${event.key}`;
    if (event.revision > since && !events.has(id)) events.set(id, event);
  };
  // The first to tell wins, and who differs from it is judged: acknowledgements before hearsay.
  for (const record of history.operations) for (const event of acknowledged(record)) add(event);
  for (const { items, labelSelector } of history.watches) {
    for (const item of items) {
      if (item.type === 'ERROR' || item.type === 'BOOKMARK') continue;
      const { revision, key, contents } = item;
      if (item.type !== 'DELETED' && contents) add({ revision, key, contents, ...birthOf(item) });
      // With a selector it may only have ceased to match.
      if (item.type === 'DELETED' && labelSelector === undefined) add({ revision, key, contents: null });
    }
  }
  for (const { outcome } of history.operations) {
    if (outcome.type !== 'ok') continue;
    for (const stored of [outcome.object, outcome.previous, ...(outcome.objects ?? []), ...(outcome.found ?? [])]) {
      if (stored) add({ ...stored, ...birthOf(stored) });
    }
  }
  const sorted = [...events.values()].sort((a, b) => a.revision - b.revision);
  const until = Math.max(since, newestTold(history), sorted.at(-1)?.revision ?? 0);
  const uncertain = uncertainKeys(history.operations, sorted);
  return { truth: { initial, since, until, events: sorted }, isUncertain: (key) => uncertain.has(key) };
}

function acknowledged({ operation, outcome }: OperationRecord): StoreEvent[] {
  if (outcome.type !== 'ok' || outcome.revision === undefined || !isWrite(operation)) return [];
  const { revision, object } = outcome;
  switch (operation.type) {
    case 'put':
    case 'create':
    case 'update':
      return [{ revision, key: operation.key, contents: operation.contents, ...(object && birthOf(object)) }];
    case 'patch':
      return object ? [{ revision, key: operation.key, contents: object.contents, ...birthOf(object) }] : [];
    case 'delete':
      return [{ revision, key: operation.key, contents: null }];
    case 'txn': {
      const steps: readonly TxnStep[] = outcome.succeeded ? operation.success : operation.failure;
      return steps.flatMap((step) =>
        step.type === 'put' ? [{ revision, key: step.key, contents: step.contents }] : [],
      );
    }
    default:
      return [];
  }
}

/** Where a write may have taken effect at a revision that nobody told. */
function uncertainKeys(operations: readonly OperationRecord[], events: readonly StoreEvent[]): Set<string> {
  const seen = new Set(events.map(({ key, contents }) => `${key} ${textOf(contents)}`));
  const uncertain = new Set<string>();
  for (const { operation, outcome } of operations) {
    if (outcome.type === 'failed' || !isWrite(operation)) continue;
    const isTold = outcome.type === 'ok' && outcome.revision !== undefined;
    switch (operation.type) {
      case 'put':
      case 'create':
      case 'update':
        if (!isTold && !seen.has(`${operation.key} ${contentsText(operation.contents)}`)) uncertain.add(operation.key);
        break;
      case 'patch':
        if (!isTold || (outcome.type === 'ok' && !outcome.object)) uncertain.add(operation.key);
        break;
      case 'delete':
        if (!isTold) uncertain.add(operation.key);
        break;
      // A delete in it may have found nothing.
      case 'txn':
        for (const key of keysOf(operation)) uncertain.add(key);
    }
  }
  return uncertain;
}

function newestTold({ operations, watches }: History): number {
  let newest = 0;
  for (const { outcome } of operations) if (outcome.type === 'ok') newest = Math.max(newest, outcome.revision ?? 0);
  for (const { items } of watches) {
    for (const item of items) if (item.type !== 'ERROR') newest = Math.max(newest, item.revision);
  }
  return newest;
}

function textOf(contents: Contents | null): string {
  return contents ? contentsText(contents) : '';
}

function birthOf({ uid, created }: { uid?: string; created?: number }): { uid?: string; created?: number } {
  return { ...(uid !== undefined && { uid }), ...(created !== undefined && { created }) };
}
