/** The state of some objects within a search, where a revision or uid may not be known, and what answers fit it. */
import type {
  Contents,
  Failed,
  Get,
  List,
  Operation,
  OperationRecord,
  Stored,
  Succeeded,
  Txn,
  TxnStep,
} from './history.ts';
import { contentsText, effectOf, type KeyChange, sameContents } from './semantics.ts';

/** An object that is there. */
interface Slot {
  readonly contents: Contents;
  /** Undefined: made by a write whose answer was lost; above `above`. */
  readonly revision: number | undefined;
  readonly above: number;
  readonly uid: string | undefined;
}

/** Immutable. */
export interface State {
  readonly slots: ReadonlyMap<string, Slot>;
  /** The highest revision told so far. */
  readonly newest: number;
}

export const emptyState: State = { slots: new Map(), newest: 0 };

/** The states that may be after the operation; none when it cannot have had this outcome there. */
export function apply(record: OperationRecord, state: State): readonly State[] {
  const { outcome } = record;
  if (outcome.type === 'failed') return refusedIsTrue(record, outcome.reason, state) ? [state] : [];
  const all = outcome.type === 'ok' ? succeeded(record, outcome, state) : perhaps(record, state);
  return all.filter((s) => s !== undefined);
}

export function stateText({ slots, newest }: State): string {
  let text = String(newest);
  for (const key of [...slots.keys()].sort()) {
    const { contents, revision, above, uid } = slots.get(key)!;
    text += `/${key}=${contentsText(contents)}@${revision ?? `>${above}`}${uid ?? ''}`;
  }
  return text;
}

function succeeded({ operation }: OperationRecord, outcome: Succeeded, state: State): (State | undefined)[] {
  switch (operation.type) {
    case 'list':
      return [state];
    case 'get':
      return [seen(operation.key, outcome.object ?? null, state)];
    case 'txn':
      return [transacted(operation, outcome, state)];
    default: {
      const { key } = operation;
      const slot = state.slots.get(key);
      const { object, revision, previous, uid } = outcome;
      if (previous !== undefined && !seen(key, previous, state)) return [];
      if (!isAllowed(operation, slot)) return [];
      if (uid !== undefined && slot?.uid !== undefined && uid !== slot.uid) return [];
      const changes = changesOf(operation, state);
      const contents = changes[0]?.contents;
      if (object && operation.type !== 'delete' && !sameContents(object.contents, contents)) return [];
      const isIdle = contents && revision !== undefined && sameContents(slot?.contents, contents);
      const idle = isIdle ? seen(key, { key, revision, contents }, state) : undefined;
      return [idle, written(changes, revision, state, object?.uid)];
    }
  }
}

function transacted(operation: Txn, outcome: Succeeded, state: State): State | undefined {
  let now: State | undefined = state;
  if (outcome.succeeded)
    for (const { key, revision } of operation.compare) now = now && comparedEqual(key, revision, now);
  else if (operation.compare.every(({ key, revision }) => isCertainlyAt(key, revision, state))) return undefined;
  const steps = outcome.succeeded ? operation.success : operation.failure;
  for (const [i, step] of steps.filter((s) => s.type === 'get').entries()) {
    if (now && outcome.found) now = seen(step.key, outcome.found[i] ?? null, now);
  }
  return now && written(stepChanges(steps, now), outcome.revision, now);
}

/** An outcome that nobody knows, if it took effect. */
function perhaps({ operation }: OperationRecord, state: State): (State | undefined)[] {
  if (operation.type === 'get' || operation.type === 'list') return [state];
  if (operation.type !== 'txn') {
    const isPossible = isAllowed(operation, state.slots.get(operation.key));
    return [isPossible ? written(changesOf(operation, state), undefined, state) : undefined];
  }
  const mayHold = operation.compare.every(({ key, revision }) => comparedEqual(key, revision, state));
  const mustHold = operation.compare.every(({ key, revision }) => isCertainlyAt(key, revision, state));
  return [
    mayHold ? written(stepChanges(operation.success, state), undefined, state) : undefined,
    mustHold ? undefined : written(stepChanges(operation.failure, state), undefined, state),
  ];
}

function isAllowed(operation: Exclude<Operation, Txn | Get | List>, slot: Slot | undefined): boolean {
  if (operation.type === 'put') return true;
  if (operation.type === 'create') return !slot;
  return slot !== undefined && mayBe(slot, operation);
}

function refusedIsTrue({ operation }: OperationRecord, reason: Failed['reason'], state: State): boolean {
  if (reason === 'refused' || reason === 'expired' || operation.type === 'list' || operation.type === 'txn')
    return true;
  const slot = state.slots.get(operation.key);
  if (reason === 'exists') return slot !== undefined;
  if (reason === 'absent') return slot === undefined;
  if (operation.type !== 'update' && operation.type !== 'patch' && operation.type !== 'delete') return false;
  const { revision, uid } = operation;
  if (!slot) return revision !== undefined || uid !== undefined;
  const isCertain = (revision === undefined || slot.revision === revision) && (uid === undefined || slot.uid === uid);
  return !isCertain;
}

/** Told that the key is so: what was not known of it, is now. */
function seen(key: string, told: Stored | null, state: State): State | undefined {
  const slot = state.slots.get(key);
  if (!slot || !told) return !slot && !told ? state : undefined;
  if (!sameContents(slot.contents, told.contents)) return undefined;
  // 0: the server tells none.
  const revision = told.revision || slot.revision;
  const uid = told.uid ?? slot.uid;
  if (!mayBe(slot, { ...(revision !== undefined && { revision }), ...(uid !== undefined && { uid }) }))
    return undefined;
  if (slot.revision === revision && slot.uid === uid) return state;
  const newest = Math.max(state.newest, revision ?? 0);
  return { slots: new Map(state.slots).set(key, { ...slot, revision, uid }), newest };
}

function written(
  changes: readonly KeyChange[],
  revision: number | undefined,
  state: State,
  uid?: string,
): State | undefined {
  if (changes.length === 0) return state;
  if (revision !== undefined && revision <= state.newest) return undefined;
  const slots = new Map(state.slots);
  for (const { key, contents } of changes) {
    if (contents) slots.set(key, { contents, revision, above: state.newest, uid: uid ?? slots.get(key)?.uid });
    else slots.delete(key);
  }
  return { slots, newest: revision ?? state.newest };
}

function changesOf(operation: Operation, state: State): readonly KeyChange[] {
  const effect = effectOf(withoutGuard(operation), (key) => {
    const slot = state.slots.get(key);
    return slot && { key, contents: slot.contents, revision: slot.revision ?? 0 };
  });
  return effect.type === 'changes' ? effect.changes : [];
}

function withoutGuard(operation: Operation): Operation {
  if (operation.type !== 'update' && operation.type !== 'patch' && operation.type !== 'delete') return operation;
  const { revision: _, uid: __, ...rest } = operation;
  return rest;
}

function stepChanges(steps: readonly TxnStep[], state: State): KeyChange[] {
  return steps.flatMap((step): KeyChange[] => {
    if (step.type === 'put') return [{ key: step.key, contents: step.contents }];
    return step.type === 'delete' && state.slots.has(step.key) ? [{ key: step.key, contents: null }] : [];
  });
}

function mayBe(slot: Slot, { revision, uid }: { revision?: number; uid?: string }): boolean {
  const isRevision = revision === undefined || (slot.revision ?? revision) === revision;
  const isLater = revision === undefined || slot.revision !== undefined || revision > slot.above;
  return isRevision && isLater && (uid === undefined || slot.uid === undefined || slot.uid === uid);
}

function comparedEqual(key: string, revision: number, state: State): State | undefined {
  const slot = state.slots.get(key);
  if (revision === 0) return slot ? undefined : state;
  if (!slot || !mayBe(slot, { revision })) return undefined;
  if (slot.revision === revision) return state;
  const newest = Math.max(state.newest, revision);
  return { slots: new Map(state.slots).set(key, { ...slot, revision }), newest };
}

function isCertainlyAt(key: string, revision: number, state: State): boolean {
  const slot = state.slots.get(key);
  return revision === 0 ? !slot : slot?.revision === revision;
}
