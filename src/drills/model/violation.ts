/** What a checker found: which promise was broken, by which operations, and what would have been legal. */

import type { Operation, OperationRecord, Outcome, Stored, WatchItem, WatchRecord } from './history.ts';
import { contentsText } from './semantics.ts';
import type { Change } from './timeline.ts';

/** The promises, each by the name of its breach. */
export type Rule =
  // The store's account by itself.
  | 'store history'
  // Writes.
  | 'lost write'
  | 'acknowledged at another revision'
  | 'revision used twice'
  | 'write applied twice'
  | 'deleted object came back'
  | 'failed write was applied'
  | 'change without a writer'
  | 'guard did not hold'
  | 'write out of order'
  | 'wrong refusal'
  | 'wrong answer'
  | 'wrong previous'
  // Reads.
  | 'stale read'
  | 'read from the future'
  | 'state that never was'
  | 'read went back'
  | 'not linearizable'
  // Lists.
  | 'list misses an object'
  | 'list shows too much'
  | 'list mixes revisions'
  | 'list repeats an object'
  | 'pages of different revisions'
  | 'list out of order'
  // Watches.
  | 'duplicate event'
  | 'missed event'
  | 'events out of order'
  | 'transaction split'
  | 'bookmark too early'
  | 'bookmark went back'
  | 'wrong event type'
  | 'wrong event content'
  | 'event outside the selector'
  | 'event never written'
  | 'event from the future'
  | 'event before the start'
  | 'wrong initial events'
  | 'stale initial events'
  | 'resumed elsewhere than it ended'
  | 'silent watch';

export interface Violation {
  readonly rule: Rule;
  /** One sentence: what happened, and why it cannot. */
  readonly message: string;
  /** What would have been right. */
  readonly legal: string;
  readonly key?: string;
  readonly revision?: number;
  /** Ids of the records that suffice to see it. */
  readonly operations: readonly number[];
  readonly watches: readonly number[];
  /** Those records and the changes they are about, one a line. */
  readonly evidence: readonly string[];
}

export interface Evidence {
  key?: string;
  revision?: number;
  operations?: readonly (OperationRecord | undefined)[];
  watches?: readonly (WatchRecord | undefined)[];
  /** More lines. */
  lines?: readonly string[];
}

export function violation(rule: Rule, message: string, legal: string, evidence: Evidence = {}): Violation {
  const operations = (evidence.operations ?? []).filter((o) => o !== undefined);
  const watches = (evidence.watches ?? []).filter((w) => w !== undefined);
  return {
    rule,
    message,
    legal,
    ...(evidence.key !== undefined && { key: evidence.key }),
    ...(evidence.revision !== undefined && { revision: evidence.revision }),
    operations: operations.map((o) => o.id),
    watches: watches.map((w) => w.id),
    evidence: [...operations.map(operationText), ...watches.map(watchText), ...(evidence.lines ?? [])],
  };
}

export function violationText({ rule, message, legal, evidence }: Violation): string {
  return [`${rule}: ${message}`, `  legal: ${legal}`, ...evidence.map((line) => `  ${line}`)].join('\n');
}

/** `#12 client-3 at master2: update a at revision 5 [12.3–14.1]: ok, revision 9` */
export function operationText(record: OperationRecord): string {
  const { id, client, server, invoked, returned, operation, outcome } = record;
  const until = outcome.type === 'unknown' || returned === undefined ? '…' : timeText(returned);
  const where = server === undefined ? client : `${client} at ${server}`;
  return `#${id} ${where}: ${requestText(operation)} [${timeText(invoked)}–${until}]: ${outcomeText(outcome)}`;
}

export function watchText(watch: WatchRecord): string {
  const where = watch.server === undefined ? watch.client : `${watch.client} at ${watch.server}`;
  const selector = watch.labelSelector === undefined ? '' : ` of ${watch.labelSelector}`;
  const start = 'after' in watch.start ? `after revision ${watch.start.after}` : 'with initial events';
  const resumes = watch.resumes === undefined ? '' : `, resumes watch #${watch.resumes}`;
  const span = `[${timeText(watch.invoked)}–${timeText(watch.ended)}]`;
  return `watch #${watch.id} ${where}: ${watch.prefix}*${selector} ${start}${resumes} ${span}`;
}

export function itemText(item: WatchItem): string {
  if (item.type === 'ERROR') return `[${timeText(item.at)}] ERROR ${item.reason} ${item.message ?? ''}`;
  const what = item.type === 'BOOKMARK' ? '' : ` ${item.key}`;
  return `[${timeText(item.at)}] ${item.type}${what} at revision ${item.revision}`;
}

export function storedText(stored: Stored | null | undefined): string {
  if (!stored) return 'nothing';
  const { data, labels } = stored.contents;
  const pairs = Object.entries(data).map(([name, value]) => `${name}=${value.length > 24 ? '…' : value}`);
  const tags = Object.entries(labels ?? {}).map(([name, value]) => `${name}:${value}`);
  const revision = stored.revision > 0 ? ` of revision ${stored.revision}` : '';
  return `{${[...pairs, ...tags].join(' ')}}${revision}`;
}

export function requestText(operation: Operation): string {
  switch (operation.type) {
    case 'get':
      return `get ${operation.key}${freshnessText(operation.freshness)}`;
    case 'list': {
      const selector = operation.labelSelector === undefined ? '' : ` of ${operation.labelSelector}`;
      const page = operation.continues === undefined ? '' : `, the page after #${operation.continues}`;
      return `list ${operation.prefix}*${selector}${freshnessText(operation.freshness)}${page}`;
    }
    case 'txn': {
      const compare = operation.compare.map((c) => `${c.key}@${c.revision}`).join(' ');
      const steps = operation.success.map((s) => `${s.type} ${s.key}`).join(', ');
      return `txn if ${compare || 'anything'}: ${steps}`;
    }
    case 'put':
    case 'create':
      return `${operation.type} ${operation.key}`;
    default: {
      const revision = operation.revision === undefined ? '' : ` at revision ${operation.revision}`;
      return `${operation.type} ${operation.key}${revision}${operation.uid === undefined ? '' : ` of uid ${operation.uid}`}`;
    }
  }
}

function outcomeText(outcome: Outcome): string {
  if (outcome.type === 'unknown') return 'unknown';
  if (outcome.type === 'failed') return `failed, ${outcome.reason}`;
  const parts = ['ok'];
  if (outcome.succeeded !== undefined) parts.push(outcome.succeeded ? 'compares held' : 'compares did not hold');
  if (outcome.revision !== undefined) parts.push(`revision ${outcome.revision}`);
  if (outcome.object !== undefined) parts.push(storedText(outcome.object));
  if (outcome.objects) parts.push(`${outcome.objects.length} objects${outcome.more ? ' and more' : ''}`);
  return parts.join(', ');
}

function freshnessText(freshness: Extract<Operation, { type: 'get' }>['freshness']): string {
  if (freshness === 'consistent') return '';
  if (freshness === 'any') return ', however old';
  return 'exact' in freshness ? ` as of revision ${freshness.exact}` : `, of revision ${freshness.atLeast} or newer`;
}

export function timeText(time: number): string {
  return Number.isInteger(time) ? String(time) : time.toFixed(2);
}

export function changeText({ revision, key, after }: Change): string {
  return `store: revision ${revision}: ${key} ${after ? `= ${contentsText(after.contents)}` : 'deleted'}`;
}
