/** What an operation does to a state, by itself: the sequential specification that every history is held against. */
import type { Contents, Delete, Failed, Operation, Patch, Stored, TxnStep, Update } from './history.ts';

export type Lookup = (key: string) => Stored | undefined;

export interface KeyChange {
  readonly key: string;
  /** Null: deleted. */
  readonly contents: Contents | null;
}

/** `changes` may be empty: a read, or a write that leaves everything as it is. */
export type Effect =
  | { readonly type: 'changes'; readonly changes: readonly KeyChange[] }
  | { readonly type: 'failed'; readonly reason: Failed['reason'] };

const nothing: Effect = { type: 'changes', changes: [] };

export function effectOf(operation: Operation, lookup: Lookup): Effect {
  switch (operation.type) {
    case 'get':
    case 'list':
      return nothing;
    case 'put':
      return change(operation.key, operation.contents);
    case 'create':
      return lookup(operation.key) ? { type: 'failed', reason: 'exists' } : change(operation.key, operation.contents);
    case 'update':
    case 'patch':
    case 'delete': {
      const before = lookup(operation.key);
      const reason = guardOf(operation, before);
      return reason ? { type: 'failed', reason } : change(operation.key, intended(operation, before));
    }
    case 'txn': {
      const branch = comparesHold(operation.compare, lookup) ? operation.success : operation.failure;
      return { type: 'changes', changes: branch.flatMap((step) => stepChange(step, lookup)) };
    }
  }
}

/** What the write would make of the key if nothing forbade it; undefined for reads and transactions. */
export function intentOf(operation: Operation, before: Stored | undefined): KeyChange | undefined {
  switch (operation.type) {
    case 'put':
    case 'create':
      return { key: operation.key, contents: operation.contents };
    case 'update':
    case 'patch':
    case 'delete':
      return { key: operation.key, contents: intended(operation, before) };
    default:
      return undefined;
  }
}

export function comparesHold(compare: readonly { key: string; revision: number }[], lookup: Lookup): boolean {
  return compare.every(({ key, revision }) => (lookup(key)?.revision ?? 0) === revision);
}

/** Whether the state allows this refusal. An update of what is gone may be called absent or, with a guard, a conflict. */
export function refusalIsTrue(operation: Operation, reason: Failed['reason'], before: Stored | undefined): boolean {
  switch (reason) {
    case 'exists':
      return before !== undefined;
    case 'absent':
      return before === undefined;
    case 'conflict': {
      if (operation.type !== 'update' && operation.type !== 'patch' && operation.type !== 'delete') return false;
      const isGuarded = operation.revision !== undefined || operation.uid !== undefined;
      return before === undefined ? isGuarded : guardOf(operation, before) !== undefined;
    }
    default:
      return true;
  }
}

export function isWrite(operation: Operation): boolean {
  return operation.type !== 'get' && operation.type !== 'list';
}

/** The keys it names; of a list none. */
export function keysOf(operation: Operation): readonly string[] {
  if (operation.type === 'list') return [];
  if (operation.type !== 'txn') return [operation.key];
  const { compare, success, failure } = operation;
  return [...new Set([...compare, ...success, ...failure].map(({ key }) => key))];
}

const texts = new WeakMap<Contents, string>();

/** One text for equal contents. */
export function contentsText(contents: Contents): string {
  let text = texts.get(contents);
  if (text === undefined) {
    text = JSON.stringify([sorted(contents.data), sorted(contents.labels ?? {})]);
    texts.set(contents, text);
  }
  return text;
}

export function sameContents(a: Contents | null | undefined, b: Contents | null | undefined): boolean {
  if (!a || !b) return !a && !b;
  return a === b || contentsText(a) === contentsText(b);
}

/** As it was told, where the server tells; what it does not tell is no difference. */
export function sameStored(told: Stored | null, right: Stored | undefined): boolean {
  if (!told || !right) return !told && !right;
  return (
    told.revision === right.revision &&
    sameContents(told.contents, right.contents) &&
    (told.uid === undefined || right.uid === undefined || told.uid === right.uid) &&
    (told.created === undefined || right.created === undefined || told.created === right.created)
  );
}

function guardOf(operation: Update | Patch | Delete, before: Stored | undefined): Failed['reason'] | undefined {
  if (!before) return 'absent';
  const { revision, uid } = operation;
  const isOther = (revision !== undefined && before.revision !== revision) || (uid !== undefined && before.uid !== uid);
  return isOther ? 'conflict' : undefined;
}

function intended(operation: Update | Patch | Delete, before: Stored | undefined): Contents | null {
  if (operation.type === 'delete') return null;
  if (operation.type === 'update') return operation.contents;
  const data = merged(before?.contents.data, operation.data);
  const labels = merged(before?.contents.labels, operation.labels);
  return Object.keys(labels).length > 0 ? { data, labels } : { data };
}

function merged(
  into: Readonly<Record<string, string>> = {},
  patch: Readonly<Record<string, string | null>> = {},
): Record<string, string> {
  const result = { ...into };
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = value;
  }
  return result;
}

function change(key: string, contents: Contents | null): Effect {
  return { type: 'changes', changes: [{ key, contents }] };
}

function stepChange(step: TxnStep, lookup: Lookup): KeyChange[] {
  if (step.type === 'put') return [{ key: step.key, contents: step.contents }];
  return step.type === 'delete' && lookup(step.key) ? [{ key: step.key, contents: null }] : [];
}

function sorted(record: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
}
