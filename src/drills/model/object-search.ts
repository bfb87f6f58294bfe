/** The search, object by object over a whole history, and of what it finds impossible the smallest part that shows it. */
import type { History, List, OperationRecord, Stored } from './history.ts';
import { selectorOf } from './lists.ts';
import { searchOrder } from './search.ts';
import { contentsText, isWrite, keysOf } from './semantics.ts';
import { storedText, type Violation, violation } from './violation.ts';

export interface SearchVerdict {
  readonly violations: readonly Violation[];
  /** Objects whose histories were too entangled to decide. */
  readonly undecided: readonly string[];
}

/** Of one object: more candidates for what would have been legal are not tried. */
const legalMax = 30;
/** An explanation may be larger than it must: it is not worth more than this for each part that is left out. */
const shrinkTriesMax = 1_000;
const shrinksMax = 150;

export function searchObjects({ operations }: History, triesMax?: number): SearchVerdict {
  const violations: Violation[] = [];
  const undecided: string[] = [];
  for (const { keys, records } of independentParts(operations)) {
    const result = searchOrder(records, triesMax);
    if (result.type === 'undecided') undecided.push(keys.join(' '));
    if (result.type === 'not linearizable') violations.push(explain(keys, records));
  }
  return { violations, undecided };
}

/** Objects that transactions join are one part. A consistent list counts as a get of each. */
function independentParts(operations: readonly OperationRecord[]): { keys: string[]; records: OperationRecord[] }[] {
  const parent = new Map<string, string>();
  const root = (key: string): string => {
    const up = parent.get(key) ?? key;
    return up === key ? key : root(up);
  };
  for (const { operation } of operations) {
    const [first, ...others] = keysOf(operation);
    if (first === undefined) continue;
    if (!parent.has(first)) parent.set(first, first);
    for (const other of others) parent.set(root(other), root(first));
  }
  const parts = new Map<string, { keys: string[]; records: OperationRecord[] }>();
  for (const key of [...parent.keys()].sort()) {
    const part = parts.get(root(key));
    if (part) part.keys.push(key);
    else parts.set(root(key), { keys: [key], records: [] });
  }
  const keys = [...parent.keys()];
  for (const record of operations) {
    const { operation } = record;
    if (operation.type === 'list') {
      for (const key of keys) {
        const get = asGet(record, operation, key);
        if (get) parts.get(root(key))!.records.push(get);
      }
    } else if (isWrite(operation) || ('freshness' in operation && operation.freshness === 'consistent')) {
      parts.get(root(keysOf(operation)[0]!))!.records.push(record);
    }
  }
  return [...parts.values()];
}

function asGet(record: OperationRecord, list: List, key: string): OperationRecord | undefined {
  const { outcome } = record;
  if (list.freshness !== 'consistent' || outcome.type !== 'ok' || !key.startsWith(list.prefix)) return undefined;
  const objects = outcome.objects ?? [];
  const object = objects.find((o) => o.key === key) ?? null;
  const isBeyond = outcome.more && (objects.length === 0 || key > objects.at(-1)!.key);
  // Not being of a selector says little of what it is.
  if (!object && (isBeyond || list.labelSelector !== undefined)) return undefined;
  if (object && !selectorOf(list.labelSelector)(object)) return undefined;
  return { ...record, operation: { type: 'get', key, freshness: 'consistent' }, outcome: { type: 'ok', object } };
}

function explain(keys: readonly string[], records: readonly OperationRecord[]): Violation {
  const whole = shortest(records);
  const needed = shrink(whole);
  const definite = needed.filter(({ outcome }) => outcome.type !== 'unknown');
  const last = definite.reduce((a, b) => ((a.returned ?? 0) >= (b.returned ?? 0) ? a : b));
  const shown = new Set(definite.flatMap(toldContents));
  const writers = needed.filter(({ operation, outcome }) => {
    if (outcome.type !== 'unknown' || !('contents' in operation)) return false;
    return shown.has(contentsText(operation.contents));
  });
  const ids = new Set([...definite, ...writers].map((o) => o.id));
  const shownRecords = records.filter((o) => ids.has(o.id)).sort((a, b) => a.invoked - b.invoked);
  const key = keys.length === 1 ? keys[0]! : keysOf(last.operation)[0]!;
  return violation(
    'not linearizable',
    `no order of ${definite.length === 1 ? 'this operation' : `these ${definite.length} operations`} on ${keys.join(', ')} gives all of them their answers and keeps to real time`,
    `with the others as they are, #${last.id} could have found ${legalAt(key, last, whole).join(', or ') || 'nothing that was ever written'}`,
    { key, operations: shownRecords },
  );
}

/** Up to the first answer that cannot be: what is answered later is open, what is asked later is not there. */
function shortest(records: readonly OperationRecord[]): OperationRecord[] {
  const ends = [...new Set(records.map((o) => o.returned ?? Infinity))].filter(Number.isFinite).sort((a, b) => a - b);
  let [low, high] = [0, ends.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isImpossible(until(records, ends[middle]!))) high = middle;
    else low = middle + 1;
  }
  return until(records, ends[low]!);
}

function until(records: readonly OperationRecord[], time: number): OperationRecord[] {
  return records
    .filter((o) => o.invoked <= time)
    .map((o) => (o.outcome.type === 'unknown' || (o.returned ?? Infinity) <= time ? o : opened(o)))
    .filter((o) => o.outcome.type !== 'unknown' || isWrite(o.operation));
}

/** Whatever is impossible without some of the answers is impossible with them. */
function shrink(records: readonly OperationRecord[]): OperationRecord[] {
  let needed = [...records];
  let shrinksLeft = shrinksMax;
  for (let size = Math.ceil(needed.length / 2); ; size = Math.ceil(size / 2)) {
    for (let at = 0; at < needed.length; at += size) {
      const fewer = needed.flatMap((o, i) => {
        if (i < at || i >= at + size || o.outcome.type === 'unknown') return [o];
        return isWrite(o.operation) ? [opened(o)] : [];
      });
      const isSmaller = fewer.some((o, i) => o !== needed[i]) || fewer.length < needed.length;
      if (isSmaller && shrinksLeft-- > 0 && isImpossible(fewer, shrinkTriesMax)) needed = fewer;
    }
    if (size === 1 || shrinksLeft <= 0) return needed;
  }
}

function opened(record: OperationRecord): OperationRecord {
  return { ...record, outcome: { type: 'unknown' } };
}

function isImpossible(records: readonly OperationRecord[], triesMax?: number): boolean {
  return searchOrder(records, triesMax).type === 'not linearizable';
}

/** What a get in the place of the last operation could have found. */
function legalAt(key: string, last: OperationRecord, records: readonly OperationRecord[]): string[] {
  const others = records.filter((o) => o.id !== last.id);
  const writer = isWrite(last.operation) ? [opened(last)] : [];
  const found = new Map<string, Stored | null>();
  for (const { operation, outcome } of records) {
    const revision = outcome.type === 'ok' ? (outcome.revision ?? 0) : 0;
    if ('contents' in operation && operation.key === key) {
      found.set(contentsText(operation.contents), { key, revision, contents: operation.contents });
    }
  }
  found.set('', null);
  const legal: string[] = [];
  for (const [, object] of [...found].slice(-legalMax)) {
    const get: OperationRecord = {
      ...last,
      operation: { type: 'get', key, freshness: 'consistent' },
      outcome: { type: 'ok', object },
    };
    const result = searchOrder([...others, ...writer, get], shrinkTriesMax);
    if (result.type === 'linearizable') legal.push(storedText(object));
  }
  return legal;
}

function toldContents({ outcome }: OperationRecord): string[] {
  if (outcome.type !== 'ok') return [];
  return [outcome.object, outcome.previous, ...(outcome.found ?? [])].flatMap((o) =>
    o ? [contentsText(o.contents)] : [],
  );
}
