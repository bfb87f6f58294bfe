/** A list at a revision is the exact state of its prefix there; its pages together are one such state. */
import { matchesLabels, parseLabelSelector } from '#apimachinery/selector/labels.ts';
import type { OperationRecord, Stored } from './history.ts';
import { sameContents } from './semantics.ts';
import type { Timeline } from './timeline.ts';
import { changeText, storedText, type Violation, violation } from './violation.ts';

export interface ListChecks {
  /** The page with this id. */
  page(id: number): OperationRecord | undefined;
}

export function listChecks(operations: readonly OperationRecord[]): ListChecks {
  const lists = new Map(operations.filter((o) => o.operation.type === 'list').map((o) => [o.id, o]));
  return { page: (id) => lists.get(id) };
}

export function judgeList(
  record: OperationRecord,
  revision: number,
  timeline: Timeline,
  lists: ListChecks,
): Violation[] {
  const { operation, outcome } = record;
  if (operation.type !== 'list' || outcome.type !== 'ok') return [];
  const told = outcome.objects ?? [];
  const before = operation.continues === undefined ? undefined : lists.page(operation.continues);
  const evidence = { revision, operations: [before, record] };
  if (before?.outcome.type === 'ok' && before.outcome.revision !== revision) {
    const message = `a page is of revision ${revision}, the one before it of revision ${before.outcome.revision}`;
    return [violation('pages of different revisions', message, `revision ${before.outcome.revision}`, evidence)];
  }
  const { freshness } = operation;
  if (typeof freshness === 'object' && 'exact' in freshness && freshness.exact !== revision) {
    const message = `a list of exactly revision ${freshness.exact} is of revision ${revision}`;
    return [violation('list mixes revisions', message, `revision ${freshness.exact}`, evidence)];
  }
  const violations: Violation[] = [];
  const seen = new Set<string>();
  const repeated = told.find((o) => seen.size === seen.add(o.key).size);
  const lastBefore = lastKeyBefore(before, lists);
  const again = told.find((o) => lastBefore !== undefined && o.key <= lastBefore);
  if (repeated || again) {
    const { key } = (repeated ?? again)!;
    violations.push(violation('list repeats an object', `the list has ${key} twice`, 'once', { ...evidence, key }));
  }
  const isPaged = operation.limit !== undefined || before !== undefined;
  const wrongOrder = told.find((o, i) => i > 0 && told[i - 1]!.key > o.key);
  if (isPaged && wrongOrder) {
    const { key } = wrongOrder;
    violations.push(violation('list out of order', `${key} is not in its place`, 'by key', { ...evidence, key }));
  }

  const matches = selectorOf(operation.labelSelector);
  const lastKey = told.reduce((last, o) => (o.key > last ? o.key : last), '');
  const right = timeline
    .stateAt(operation.prefix, revision, matches)
    .filter((o) => (lastBefore === undefined || o.key > lastBefore) && (!outcome.more || o.key <= lastKey));
  return [...violations, ...compare(told, right, revision, timeline, evidence)];
}

/** The key up to which all pages up to this one have told everything; undefined: nothing yet. */
function lastKeyBefore(page: OperationRecord | undefined, lists: ListChecks): string | undefined {
  for (let at = page; at; ) {
    const { operation, outcome } = at;
    if (operation.type !== 'list' || outcome.type !== 'ok') return undefined;
    const keys = (outcome.objects ?? []).map((o) => o.key);
    if (keys.length > 0) return keys.reduce((a, b) => (a > b ? a : b));
    at = operation.continues === undefined ? undefined : lists.page(operation.continues);
  }
  return undefined;
}

function compare(
  told: readonly Stored[],
  right: readonly Stored[],
  revision: number,
  timeline: Timeline,
  evidence: { revision: number; operations: (OperationRecord | undefined)[] },
): Violation[] {
  const violations: Violation[] = [];
  const byKey = new Map(told.map((o) => [o.key, o]));
  const why = (key: string, at: number) => ({ ...evidence, key, lines: timeline.changesAt(at).map(changeText) });
  for (const should of right) {
    const is = byKey.get(should.key);
    byKey.delete(should.key);
    if (!is) {
      const message = `the list of revision ${revision} does not have ${should.key}`;
      violations.push(
        violation('list misses an object', message, storedText(should), why(should.key, should.revision)),
      );
    } else if (is.revision !== should.revision || !sameContents(is.contents, should.contents)) {
      violations.push(wrongObject(is, should, revision, timeline, why(should.key, should.revision)));
    }
  }
  for (const [key, extra] of byKey) {
    const now = timeline.at(key, revision);
    const message = `the list of revision ${revision} has ${key} as ${storedText(extra)}`;
    const legal = now ? `it does not match the selector: ${storedText(now)}` : 'it is not there at that revision';
    const isOther = extra.revision !== now?.revision && isTrue(extra, timeline);
    violations.push(
      violation(isOther ? 'list mixes revisions' : 'list shows too much', message, legal, why(key, extra.revision)),
    );
  }
  return violations;
}

function wrongObject(
  is: Stored,
  should: Stored,
  revision: number,
  timeline: Timeline,
  evidence: Parameters<typeof violation>[3],
): Violation {
  const message = `the list of revision ${revision} has ${is.key} as ${storedText(is)}`;
  return violation(
    isTrue(is, timeline) ? 'list mixes revisions' : 'state that never was',
    message,
    storedText(should),
    evidence,
  );
}

function isTrue(stored: Stored, timeline: Timeline): boolean {
  const then = timeline.at(stored.key, stored.revision);
  return then?.revision === stored.revision && sameContents(then.contents, stored.contents);
}

export function selectorOf(text: string | undefined): (stored: Pick<Stored, 'contents'>) => boolean {
  if (text === undefined) return () => true;
  const selector = parseLabelSelector(text);
  return ({ contents }) => matchesLabels(selector, contents.labels);
}
