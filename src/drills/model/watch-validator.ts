/**
 * Every watch against the store's own account: what it told is, in order and without gap or repetition, what happened
 * after its start to what it selects, up to the last revision it told of. A bookmark says that there is no more up to
 * it; a watch that goes on from another goes on exactly where that one was.
 */
import type { Attribution } from './attribution.ts';
import type { WatchBookmark, WatchEventItem, WatchRecord } from './history.ts';
import { selectorOf } from './lists.ts';
import { sameContents, sameStored } from './semantics.ts';
import { type Change, firstIndex, type Timeline } from './timeline.ts';
import { changeText, type Evidence, itemText, type Rule, storedText, type Violation, violation } from './violation.ts';

export interface WatchChecks {
  /**
   * A change that a client was told of must be told to an open watch within this time. Absent: a watch may be as slow
   * as it likes.
   */
  readonly silenceMax?: number;
  /** Keys of which not every change is known: of them only what is known is demanded. */
  readonly isUncertain?: (key: string) => boolean;
}

/** A change as this watch must tell it. */
interface Expected {
  readonly change: Change;
  /** Undefined: it may also have to say nothing (a key of which not every change is known). */
  readonly type: WatchEventItem['type'] | undefined;
}

/** Of one watch: the first breaches say it all. */
const reportsMax = 5;

export function judgeWatches(
  watches: readonly WatchRecord[],
  timeline: Timeline,
  attribution: Attribution,
  checks: WatchChecks,
): Violation[] {
  const byId = new Map(watches.map((w) => [w.id, w]));
  const resumed = new Set(watches.map((w) => w.resumes));
  const violations: Violation[] = [];
  for (const watch of watches) {
    const one = new WatchJudge(watch, timeline, attribution, checks);
    one.judge(resumed.has(watch.id));
    violations.push(...one.violations.slice(0, reportsMax));
    const before = watch.resumes === undefined ? undefined : byId.get(watch.resumes);
    if (before) violations.push(...judgeResumption(before, watch));
  }
  return violations;
}

/** Where a client that has read all of it must go on; undefined: it must begin anew. */
export function lastRevisionOf(watch: WatchRecord): number | undefined {
  const isLive = 'after' in watch.start || watch.items.some((item) => item.type === 'BOOKMARK' && item.isInitialEnd);
  const last = watch.items.findLast((item) => item.type !== 'ERROR');
  if (!isLive) return undefined;
  return last ? (last as WatchBookmark).revision : (watch.start as { after: number }).after;
}

function judgeResumption(before: WatchRecord, watch: WatchRecord): Violation[] {
  if (!('after' in watch.start)) return [];
  const last = lastRevisionOf(before);
  if (last === watch.start.after) return [];
  return [
    violation(
      'resumed elsewhere than it ended',
      `the watch goes on after revision ${watch.start.after}, the one before it had come to ${last ?? 'no revision'}`,
      `after revision ${last}`,
      { watches: [before, watch] },
    ),
  ];
}

class WatchJudge {
  readonly violations: Violation[] = [];
  #watch: WatchRecord;
  #timeline: Timeline;
  #attribution: Attribution;
  #checks: WatchChecks;
  #expected: Expected[] = [];
  /** Of `#expected`: how many are behind us. */
  #passed = 0;
  #toldAt = new Map<string, number>();
  #position = 0;

  constructor(watch: WatchRecord, timeline: Timeline, attribution: Attribution, checks: WatchChecks) {
    this.#watch = watch;
    this.#timeline = timeline;
    this.#attribution = attribution;
    this.#checks = checks;
  }

  judge(isResumed: boolean): void {
    const { items, start } = this.#watch;
    let live = 0;
    if ('initial' in start) {
      const end = items.findIndex((item) => item.type === 'BOOKMARK' && item.isInitialEnd);
      this.#judgeInitial(end);
      if (end < 0) return;
      this.#position = (items[end] as WatchBookmark).revision;
      live = end + 1;
    } else {
      this.#position = start.after;
    }
    this.#expected = expectedEvents(this.#watch, this.#position, this.#timeline, this.#checks);
    for (const item of items.slice(live)) {
      if (item.type !== 'ERROR' && item.type !== 'BOOKMARK') this.#toldAt.set(idOf(item), 0);
    }
    for (const [i, item] of items.entries()) {
      if (i < live || item.type === 'ERROR') continue;
      if (item.type === 'BOOKMARK') this.#judgeBookmark(item);
      else this.#judgeEvent(item);
    }
    this.#judgeBatches(live);
    if (isResumed) this.#passUpTo(this.#position, undefined);
    this.#judgeSilence();
  }

  #judgeInitial(end: number): void {
    const { items, prefix, labelSelector } = this.#watch;
    const told = new Set<string>();
    const bookmark = end < 0 ? undefined : (items[end] as WatchBookmark);
    const matches = selectorOf(labelSelector);
    for (const item of end < 0 ? items : items.slice(0, end)) {
      if (item.type === 'ERROR') continue;
      if (item.type === 'BOOKMARK') {
        this.#report('bookmark too early', item, 'the initial events are not over', 'none before their end');
        continue;
      }
      const { key, revision } = item;
      const right = this.#timeline.at(key, bookmark?.revision ?? revision);
      const isRight = right?.revision === revision && sameContents(item.contents, right.contents) && matches(right);
      if (item.type !== 'ADDED' || told.has(key) || !(isRight || this.#checks.isUncertain?.(key))) {
        const message = `among the initial events is ${item.type} of ${key} at revision ${revision}`;
        const legal = told.has(key) ? 'once' : `ADDED of ${storedText(right)}`;
        this.#report('wrong initial events', item, message, legal, { key });
      }
      told.add(key);
    }
    if (!bookmark) return;
    this.#judgeTime(bookmark);
    for (const right of this.#timeline.stateAt(prefix, bookmark.revision, matches)) {
      if (told.has(right.key) || this.#checks.isUncertain?.(right.key)) continue;
      const message = `the initial events of revision ${bookmark.revision} do not have ${right.key}`;
      this.#report('wrong initial events', bookmark, message, storedText(right), { key: right.key });
    }
  }

  #judgeEvent(item: WatchEventItem): void {
    const { key, revision } = item;
    this.#judgeTime(item);
    const id = idOf(item);
    if (this.#toldAt.get(id)! > 0) {
      this.#report('duplicate event', item, `${key} at revision ${revision} came twice`, 'once', { key });
      return;
    }
    this.#toldAt.set(id, 1);
    const index = this.#indexOf(item);
    if (index === undefined) {
      this.#judgeUnexpected(item);
      return;
    }
    if (revision < this.#position) {
      const message = `${key} at revision ${revision} came after revision ${this.#position}`;
      this.#report('events out of order', item, message, `before revision ${this.#position}`, { key });
    } else {
      this.#passUpTo(revision - 1, item);
      this.#position = revision;
    }
    this.#judgeContent(item, this.#expected[index]!);
  }

  #judgeUnexpected(item: WatchEventItem): void {
    const { key, revision } = item;
    const change = this.#timeline.changesAt(revision).find((c) => c.key === key);
    const known = this.#startRevision();
    if (this.#checks.isUncertain?.(key) && !change) {
      if (revision > this.#position) this.#position = revision;
      return;
    }
    if (!change) {
      const message = `${item.type} of ${key} at revision ${revision}, where the store has no change of it`;
      this.#report('event never written', item, message, 'nothing', { key });
    } else if (revision <= known) {
      const message = `${key} at revision ${revision}, though the watch starts after revision ${known}`;
      this.#report('event before the start', item, message, `only what is after revision ${known}`, { key });
    } else {
      const message = `${key} at revision ${revision} matches neither before nor after that change`;
      this.#report('event outside the selector', item, message, 'nothing', { key, lines: [changeText(change)] });
    }
  }

  #judgeContent(item: WatchEventItem, { change, type }: Expected): void {
    const { key, revision } = item;
    const evidence = { key, lines: [changeText(change)] };
    if (type !== undefined && item.type !== type) {
      const was = storedText(change.before);
      const message = `${item.type} of ${key} at revision ${revision}, where ${was} became ${storedText(change.after)}`;
      this.#report('wrong event type', item, message, type, evidence);
      return;
    }
    if (type === undefined && item.type === 'DELETED') return;
    const right = item.type === 'DELETED' ? change.before : change.after;
    const isContentWrong = item.contents !== undefined && !sameContents(item.contents, right?.contents);
    const isUidWrong = item.uid !== undefined && right?.uid !== undefined && item.uid !== right.uid;
    const isCreatedWrong = item.created !== undefined && right?.created !== undefined && item.created !== right.created;
    const isMissing = item.type !== 'DELETED' && item.contents === undefined;
    if (isContentWrong || isUidWrong || isCreatedWrong || isMissing) {
      const message = `${item.type} of ${key} at revision ${revision} shows another object than was written there`;
      this.#report('wrong event content', item, message, storedText(right), evidence);
    }
    if (type !== undefined && item.previous !== undefined && !sameStored(item.previous, change.before)) {
      const message = `the event of ${key} at revision ${revision} says that before it there was ${storedText(item.previous)}`;
      this.#report('wrong previous', item, message, storedText(change.before), evidence);
    }
  }

  #judgeBookmark(bookmark: WatchBookmark): void {
    const { revision } = bookmark;
    this.#judgeTime(bookmark);
    if (bookmark.isInitialEnd) {
      this.#report(
        'wrong initial events',
        bookmark,
        'the initial events end, though there are none',
        'a plain bookmark',
      );
    }
    if (revision < this.#position) {
      const message = `a bookmark at revision ${revision} after revision ${this.#position}`;
      this.#report('bookmark went back', bookmark, message, `revision ${this.#position} or later`);
      return;
    }
    this.#passUpTo(revision, bookmark);
    this.#position = revision;
  }

  /** Everything up to the revision must have been told by now. */
  #passUpTo(revision: number, item: WatchEventItem | WatchBookmark | undefined): void {
    for (; this.#passed < this.#expected.length; this.#passed++) {
      const { change, type } = this.#expected[this.#passed]!;
      if (change.revision > revision) return;
      if (type === undefined || this.#toldAt.get(idOf(change)) === 1) continue;
      const { key } = change;
      const evidence = { key, lines: [changeText(change)] };
      const what = `${type} of ${key} at revision ${change.revision}`;
      const isSplit = this.#siblingWasTold(change);
      if (item?.type === 'BOOKMARK') {
        const message = `a bookmark at revision ${item.revision}, but ${what} was not told`;
        this.#report('bookmark too early', item, message, `${what} before it`, evidence);
      } else if (isSplit) {
        const message = `of the changes at revision ${change.revision} only some were told together: ${what} was not`;
        this.#report('transaction split', item, message, 'all changes of a revision, or none', evidence);
      } else if (!this.#toldAt.has(idOf(change))) {
        const then = item ? `, but ${itemText(item)} was` : ', though the watch went on after it';
        this.#report('missed event', item, `${what} was not told${then}`, `${what} in its place`, evidence);
      }
    }
  }

  #siblingWasTold(change: Change): boolean {
    const siblings = this.#timeline.changesAt(change.revision);
    return siblings.some((c) => c !== change && this.#toldAt.get(idOf(c)) === 1);
  }

  #judgeBatches(live: number): void {
    const batchOf = new Map<number, number>();
    for (const item of this.#watch.items.slice(live)) {
      if (item.type === 'ERROR' || item.type === 'BOOKMARK' || item.batch === undefined) continue;
      const first = batchOf.get(item.revision);
      if (first !== undefined && first !== item.batch) {
        const message = `the changes at revision ${item.revision} came in two messages`;
        this.#report('transaction split', item, message, 'one message', { key: item.key });
      }
      batchOf.set(item.revision, first ?? item.batch);
    }
    // Messages are whole: also of the last revision nothing may be missing.
    if (batchOf.size > 0) this.#passUpTo(Math.max(...batchOf.keys()), undefined);
  }

  /** Neither an event nor a bookmark can show what nobody had asked for yet. */
  #judgeTime(item: WatchEventItem | WatchBookmark): void {
    const newest = this.#attribution.newestAt(item.at);
    if (item.revision <= newest && item.revision <= this.#timeline.until) return;
    const message = `revision ${item.revision} was told before it can have been there`;
    this.#report('event from the future', item, message, `at most revision ${Math.min(newest, this.#timeline.until)}`);
  }

  #judgeSilence(): void {
    const { silenceMax } = this.#checks;
    const next = this.#expected.slice(this.#passed).find((e) => e.type && !this.#toldAt.has(idOf(e.change)));
    if (silenceMax === undefined || !next) return;
    const { ended, invoked } = this.#watch;
    const writer = this.#attribution.writerOf.get(next.change.revision);
    const acknowledged = writer?.outcome.type === 'ok' ? writer.returned : undefined;
    if (acknowledged === undefined || Math.max(acknowledged, invoked) + silenceMax >= ended) return;
    const { key, revision } = next.change;
    this.#report(
      'silent watch',
      undefined,
      `${next.type} of ${key} at revision ${revision}, acknowledged at ${acknowledged}, was not told until ${ended}`,
      `told within ${silenceMax}, or the stream ends`,
      { key, operations: [writer], lines: [changeText(next.change)] },
    );
  }

  #startRevision(): number {
    const { start, items } = this.#watch;
    if ('after' in start) return start.after;
    const end = items.find((item) => item.type === 'BOOKMARK' && item.isInitialEnd);
    return (end as WatchBookmark).revision;
  }

  #indexOf(item: WatchEventItem): number | undefined {
    const all = this.#expected;
    let i = firstIndex(all.length, (index) => all[index]!.change.revision >= item.revision);
    for (; i < all.length && all[i]!.change.revision === item.revision; i++) {
      if (all[i]!.change.key === item.key) return i;
    }
    return undefined;
  }

  #report(
    rule: Rule,
    item: WatchEventItem | WatchBookmark | undefined,
    message: string,
    legal: string,
    evidence: Evidence = {},
  ): void {
    const lines = [...(item ? [`told: ${itemText(item)}`] : []), ...(evidence.lines ?? [])];
    const revision = item ? { revision: item.revision } : {};
    const where = `watch #${this.#watch.id}: `;
    this.violations.push(
      violation(rule, where + message, legal, { ...revision, ...evidence, watches: [this.#watch], lines }),
    );
  }
}

/** Up to the last revision the watch told of, and the one event after it. */
function expectedEvents(watch: WatchRecord, after: number, timeline: Timeline, checks: WatchChecks): Expected[] {
  const matches = selectorOf(watch.labelSelector);
  const expected: Expected[] = [];
  const { changes } = timeline;
  const last = watch.items.reduce(
    (highest, item) => (item.type === 'ERROR' ? highest : Math.max(highest, item.revision)),
    0,
  );
  for (let i = firstIndex(changes.length, (index) => changes[index]!.revision > after); i < changes.length; i++) {
    const change = changes[i]!;
    if (!change.key.startsWith(watch.prefix)) continue;
    if (change.revision > last && (expected.at(-1)?.change.revision ?? 0) > last) break;
    const was = change.before !== undefined && matches(change.before);
    const is = change.after !== undefined && matches(change.after);
    if (checks.isUncertain?.(change.key)) expected.push({ change, type: undefined });
    else if (is) expected.push({ change, type: was ? 'MODIFIED' : 'ADDED' });
    else if (was) expected.push({ change, type: 'DELETED' });
  }
  return expected;
}

function idOf({ revision, key }: { revision: number; key: string }): string {
  return `${revision} ${key}`;
}
