/**
 * Bugs that a store, an API server or a watch cache can have, each as what it would do to a correct history. A checker
 * that does not see one of them is broken.
 */
import type { History, OperationRecord, Stored, StoreHistory, WatchItem } from '../history.ts';
import { selectorOf } from '../lists.ts';
import type { SeededRandom } from '../random.ts';
import { isWrite } from '../semantics.ts';
import { Timeline } from '../timeline.ts';
import type { Rule } from '../violation.ts';
import type { Recorded } from './model-store.ts';

export interface PlantedBug {
  name: string;
  /** It must be found as one of these. */
  rules: readonly Rule[];
  /** False: this history has no place for it. */
  plant(draft: Draft): boolean;
}

type Mutable<T> = T extends object ? { -readonly [K in keyof T]: Mutable<T[K]> } : T;

export class Draft {
  history: Mutable<History>;
  truth: Mutable<StoreHistory>;
  readonly timeline: Timeline;
  readonly random: SeededRandom;
  #operations: readonly OperationRecord[];

  constructor(recorded: Recorded, random: SeededRandom) {
    const { history, truth } = structuredClone(recorded);
    this.history = history as Mutable<History>;
    this.truth = truth as Mutable<StoreHistory>;
    this.timeline = new Timeline(recorded.truth);
    this.#operations = recorded.history.operations;
    this.random = random;
  }

  get operations(): any[] {
    return this.history.operations;
  }

  get watches(): any[] {
    return this.history.watches;
  }

  /** Any of those that suit. */
  some<T>(items: readonly T[], suits: (item: T) => unknown): T | undefined {
    const all = items.filter(suits);
    return all.length > 0 ? this.random.pick(all) : undefined;
  }

  /** The highest revision acknowledged before. */
  knownBefore(time: number): number {
    let known = 0;
    for (const { outcome, returned } of this.#operations) {
      if (outcome.type === 'ok' && returned !== undefined && returned < time && outcome.revision !== undefined) {
        known = Math.max(known, outcome.revision);
      }
    }
    return known;
  }

  /** The acknowledged writer of a revision, where only one was answered with it, and it cannot have been a read. */
  writer(revision: number): OperationRecord | undefined {
    const all = this.#operations.filter(
      (o) => isWrite(o.operation) && o.outcome.type === 'ok' && o.outcome.revision === revision,
    );
    return all.length === 1 && all[0]!.operation.type !== 'txn' ? all[0] : undefined;
  }

  /** Acknowledged writes of one key that did something, with their change. */
  writes(...types: string[]): any[] {
    return this.operations.filter((o) => {
      if (o.outcome.type !== 'ok' || !types.includes(o.operation.type) || o.outcome.revision === undefined)
        return false;
      const changes = this.timeline.changesAt(o.outcome.revision);
      return changes.some((c) => c.key === o.operation.key) && this.writer(o.outcome.revision) !== undefined;
    });
  }

  /** Gets and lists that were answered. */
  reads(type: 'get' | 'list', freshness: string): any[] {
    return this.operations.filter(
      (o) =>
        o.operation.type === type &&
        o.outcome.type === 'ok' &&
        o.returned !== undefined &&
        (typeof o.operation.freshness === 'string' ? o.operation.freshness : 'other') === freshness &&
        o.operation.continues === undefined,
    );
  }

  /** Older versions of the key than the one at the revision. */
  older(key: string, revision: number): Stored[] {
    const now = this.timeline.at(key, revision)?.revision ?? revision + 1;
    return this.timeline
      .versionsOf(key)
      .filter((v) => v.stored && v.revision < now)
      .map((v) => v.stored!);
  }

  /** Each live event with its watch and index. */
  events(
    suits: (item: any, watch: any, index: number) => unknown = () => true,
  ): { watch: any; index: number; item: any }[] {
    return this.watches.flatMap((watch) => {
      const end = liveFrom(watch);
      return watch.items
        .map((item: WatchItem, index: number) => ({ watch, index, item }))
        .filter(({ item, index }: any) => index >= end && isEvent(item) && suits(item, watch, index));
    });
  }
}

const isEvent = (item: any) => item.type !== 'BOOKMARK' && item.type !== 'ERROR';
const initialEnd = (watch: any): number => watch.items.findIndex((i: any) => i.isInitialEnd);
const liveFrom = (watch: any): number =>
  'after' in watch.start ? 0 : initialEnd(watch) < 0 ? watch.items.length : initialEnd(watch) + 1;
/** Something later in the stream shows that the watch has gone past this place. */
const isPassed = (watch: any, index: number): boolean =>
  watch.items.slice(index + 1).some((i: any) => i.type !== 'ERROR' && i.revision > watch.items[index].revision);

export const plantedBugs: readonly PlantedBug[] = [
  // ---- Writes
  {
    name: 'an acknowledged write is lost',
    rules: ['lost write'],
    plant(d) {
      const write = d.some(d.writes('create', 'update', 'put', 'patch'), () => true);
      if (!write) return false;
      d.truth.events = d.truth.events.filter((e) => e.revision !== write.outcome.revision);
      return true;
    },
  },
  {
    name: 'an acknowledged delete is lost',
    rules: ['lost write'],
    plant(d) {
      const removed = d.some(d.operations, (o) => {
        if (o.operation.type !== 'delete' || o.outcome.type !== 'ok') return false;
        const uid = o.outcome.uid;
        return o.outcome.revision !== undefined || uid !== undefined;
      });
      if (!removed) return false;
      const { revision, uid } = removed.outcome;
      const gone = d.timeline.changes.find(
        (c) => !c.after && (revision ? c.revision === revision : c.before?.uid === uid),
      );
      d.truth.events = d.truth.events.filter((e) => e.revision !== gone!.revision);
      return true;
    },
  },
  {
    name: 'a write is applied twice',
    rules: ['write applied twice'],
    plant(d) {
      const write = d.some(d.writes('create', 'update', 'put'), (o) => d.timeline.at(o.operation.key, Infinity));
      if (!write) return false;
      appendPut(d, write.operation.key, write.operation.contents);
      return true;
    },
  },
  {
    name: 'a deleted object comes back',
    rules: ['deleted object came back'],
    plant(d) {
      const write = d.some(d.writes('create', 'update', 'put'), (o) => !d.timeline.at(o.operation.key, Infinity));
      if (!write) return false;
      appendPut(d, write.operation.key, write.operation.contents);
      return true;
    },
  },
  {
    name: 'a write that failed was applied',
    rules: ['failed write was applied'],
    plant(d) {
      const write = d.some(d.writes('create', 'update', 'put'), () => true);
      if (!write) return false;
      write.outcome = { type: 'failed', reason: 'refused' };
      return true;
    },
  },
  {
    name: 'success is reported for a write that was not applied',
    rules: ['lost write', 'revision used twice'],
    plant(d) {
      const write = d.some(
        d.operations,
        (o) => ['create', 'update', 'put'].includes(o.operation.type) && o.outcome.type === 'failed' && o.returned,
      );
      if (!write) return false;
      write.outcome = {
        type: 'ok',
        revision: d.random.chance(0.5) ? d.timeline.until + 1 : d.random.pick(d.timeline.revisions),
      };
      return true;
    },
  },
  {
    name: 'two creates of one key both succeed',
    rules: ['guard did not hold'],
    plant(d) {
      const write = d.some(d.writes('update'), () => true);
      if (!write) return false;
      write.operation = { type: 'create', key: write.operation.key, contents: write.operation.contents };
      return true;
    },
  },
  {
    name: 'a compare-and-swap succeeds on the wrong revision',
    rules: ['guard did not hold'],
    plant(d) {
      const write = d.some(d.writes('update'), (o) => o.operation.revision !== undefined);
      if (!write) return false;
      write.operation.revision -= 1;
      return true;
    },
  },
  {
    name: 'a delete with a precondition deletes another object',
    rules: ['guard did not hold', 'lost write', 'change without a writer'],
    plant(d) {
      const write = d.some(d.writes('delete', 'update'), (o) => o.operation.uid !== undefined);
      if (!write) return false;
      write.operation.uid = 'another';
      return true;
    },
  },
  {
    name: 'a transaction reports the wrong branch',
    rules: ['guard did not hold', 'change without a writer', 'revision used twice'],
    plant(d) {
      const txn = d.some(d.operations, (o) => o.operation.type === 'txn' && o.outcome.type === 'ok');
      if (!txn) return false;
      txn.outcome.succeeded = !txn.outcome.succeeded;
      return true;
    },
  },
  {
    name: 'a revision is used twice',
    rules: ['revision used twice', 'acknowledged at another revision', 'lost write'],
    plant(d) {
      const writes = d.writes('create', 'update', 'put');
      const write = d.some(writes, () => writes.length > 1);
      if (!write) return false;
      write.outcome.revision = d.some(writes, (o) => o !== write).outcome.revision;
      return true;
    },
  },
  {
    name: 'revisions go back: a later write has an earlier one',
    rules: ['write out of order'],
    plant(d) {
      const writes = d.writes('create', 'update', 'put');
      const early = d.some(writes, (a) => writes.some((b) => a.returned < b.invoked));
      if (!early) return false;
      const late = d.some(writes, (b) => early.returned < b.invoked);
      [early.invoked, early.returned, late.invoked, late.returned] = [
        late.invoked,
        late.returned,
        early.invoked,
        early.returned,
      ];
      return true;
    },
  },
  {
    name: 'the answer to a write shows another object',
    rules: ['wrong answer'],
    plant(d) {
      const write = d.some(d.writes('create', 'update', 'patch'), (o) => o.outcome.object);
      if (!write) return false;
      write.outcome.object.contents = { data: { token: 'other' } };
      return true;
    },
  },
  {
    name: 'the previous value in the answer to a write is wrong',
    rules: ['wrong previous'],
    plant(d) {
      const write = d.some(d.writes('put', 'update', 'delete'), (o) => o.outcome.previous);
      if (!write) return false;
      write.outcome.previous = null;
      return true;
    },
  },
  {
    name: 'an update is refused though nothing speaks against it',
    rules: ['wrong refusal'],
    plant(d) {
      const write = d.some(d.operations, (o) => {
        if (o.operation.type !== 'update' || o.outcome.type !== 'failed' || o.outcome.reason !== 'conflict')
          return false;
        return d.knownBefore(o.invoked) === d.timeline.until || isQuiet(d, o);
      });
      if (!write) return false;
      const there = d.timeline.at(write.operation.key, d.knownBefore(write.invoked))!;
      write.operation = {
        type: 'update',
        key: there.key,
        contents: write.operation.contents,
        revision: there.revision,
      };
      return true;
    },
  },
  {
    name: 'an object that is there the whole time is called absent',
    rules: ['stale read', 'wrong refusal'],
    plant(d) {
      const read = d.some(d.reads('get', 'consistent'), (o) => o.outcome.object && isQuiet(d, o));
      if (!read) return false;
      read.outcome = { type: 'ok', object: null, ...(read.outcome.revision && { revision: read.outcome.revision }) };
      return true;
    },
  },

  // ---- The store's account
  {
    name: 'an object changes its identity in an update',
    rules: ['store history'],
    plant(d) {
      const change = d.some(d.timeline.changes, (c) => c.before && c.after);
      if (!change) return false;
      const event = d.truth.events.find((e) => e.revision === change.revision && e.key === change.key)!;
      if (event.uid === undefined) event.created! -= 1;
      else event.uid = 'another';
      return true;
    },
  },
  {
    name: 'the store changes what nobody wrote',
    rules: ['change without a writer'],
    plant(d) {
      const key = d.some(d.timeline.keys, (k) => k.startsWith('maps/'));
      if (key === undefined) return false;
      appendPut(d, key, { data: { token: 'nobody' } });
      return true;
    },
  },

  // ---- Reads
  {
    name: 'a stale read, as after a pause',
    rules: ['stale read'],
    plant(d) {
      const stale = (o: any) => {
        const known = d.knownBefore(o.invoked);
        return d.older(o.operation.key, known);
      };
      const read = d.some(d.reads('get', 'consistent'), (o) => stale(o).length > 0);
      if (!read) return false;
      const old = d.random.pick(stale(read));
      read.outcome = { type: 'ok', object: old, ...(read.outcome.revision && { revision: old.revision }) };
      return true;
    },
  },
  {
    name: 'a dirty read: of a write that was never to be',
    rules: ['state that never was'],
    plant(d) {
      const read = d.some(d.reads('get', 'consistent'), (o) => o.outcome.object);
      const lost = d.some(
        d.operations,
        (o) => ['create', 'update'].includes(o.operation.type) && o.outcome.type === 'failed',
      );
      if (!read || !lost) return false;
      read.outcome.object.contents = lost.operation.contents;
      return true;
    },
  },
  {
    name: 'a read from the future',
    rules: ['read from the future'],
    plant(d) {
      const future = (o: any) =>
        d.timeline
          .versionsOf(o.operation.key)
          .filter((v) => v.stored && (d.writer(v.revision)?.invoked ?? 0) > o.returned);
      const read = d.some(d.reads('get', 'consistent'), (o) => future(o).length > 0);
      if (!read) return false;
      const { stored } = d.random.pick(future(read));
      read.outcome = { type: 'ok', object: stored!, ...(read.outcome.revision && { revision: stored!.revision }) };
      return true;
    },
  },
  {
    name: 'one server shows an older state than it did before',
    rules: ['read went back'],
    plant(d) {
      const reads = d.reads('list', 'any').filter((o) => o.server !== undefined);
      const before = (o: any) =>
        reads.filter((b) => b.server === o.server && b.returned < o.invoked && b.outcome.revision > 2);
      const read = d.some(reads, (o) => before(o).length > 0);
      if (!read) return false;
      const revision = Math.max(...before(read).map((b) => b.outcome.revision)) - 1;
      setList(d, read, revision);
      return true;
    },
  },
  {
    name: 'a consistent list is stale',
    rules: ['stale read'],
    plant(d) {
      const list = d.some(d.reads('list', 'consistent'), (o) => d.knownBefore(o.invoked) > 2);
      if (!list) return false;
      setList(d, list, d.knownBefore(list.invoked) - 1);
      return true;
    },
  },
  {
    name: 'a list mixes two revisions',
    rules: ['list mixes revisions'],
    plant(d) {
      const old = (o: any) =>
        o.outcome.objects.flatMap((object: Stored) =>
          d.older(object.key, o.outcome.revision).map((was) => ({ object, was })),
        );
      const list = d.some(d.reads('list', 'consistent'), (o) => old(o).length > 0);
      if (!list) return false;
      const { object, was } = d.random.pick<any>(old(list));
      list.outcome.objects[list.outcome.objects.indexOf(object)] = was;
      return true;
    },
  },
  {
    name: 'a list misses an object',
    rules: ['list misses an object'],
    plant(d) {
      const list = d.some(d.reads('list', 'consistent'), (o) => o.outcome.objects.length > 0 && !o.outcome.more);
      if (!list) return false;
      list.outcome.objects.splice(d.random.below(list.outcome.objects.length), 1);
      return true;
    },
  },
  {
    name: 'a list shows what was deleted',
    rules: ['list shows too much', 'list mixes revisions'],
    plant(d) {
      const gone = (o: any) =>
        d.timeline.keys.filter(
          (k) =>
            k.startsWith('maps/') && !d.timeline.at(k, o.outcome.revision) && d.older(k, o.outcome.revision).length > 0,
        );
      const list = d.some(d.reads('list', 'consistent'), (o) => gone(o).length > 0 && !o.outcome.more);
      if (!list) return false;
      list.outcome.objects.push(d.older(d.random.pick(gone(list)), list.outcome.revision)[0]);
      return true;
    },
  },
  {
    name: 'a list does not heed its selector',
    rules: ['list shows too much'],
    plant(d) {
      const list = d.some(
        d.operations,
        (o) => isWholeList(o) && o.operation.labelSelector && outsiders(d, o).length > 0,
      );
      if (!list) return false;
      list.outcome.objects.push(d.random.pick(outsiders(d, list)));
      return true;
    },
  },
  {
    name: 'a page skips an object',
    rules: ['list misses an object'],
    plant(d) {
      const page = d.some(
        d.operations,
        (o) => isPage(o) && (o.outcome.objects.length > 1 || !o.outcome.more) && o.outcome.objects.length > 0,
      );
      if (!page) return false;
      page.outcome.objects.shift();
      return true;
    },
  },
  {
    name: 'a page repeats an object of the one before',
    rules: ['list repeats an object'],
    plant(d) {
      const page = d.some(d.operations, isPage);
      if (!page) return false;
      page.outcome.objects.unshift(d.operations.find((o) => o.id === page.operation.continues).outcome.objects.at(-1));
      return true;
    },
  },
  {
    name: 'pages are of different revisions',
    rules: ['pages of different revisions'],
    plant(d) {
      const page = d.some(d.operations, isPage);
      if (!page) return false;
      page.outcome.revision += 1;
      return true;
    },
  },

  // ---- Watches
  {
    name: 'an event comes twice',
    rules: ['duplicate event'],
    plant(d) {
      const at = d.some(d.events(), () => true);
      if (!at) return false;
      at.watch.items.splice(
        at.index + 1 + d.random.below(at.watch.items.length - at.index),
        0,
        structuredClone(at.item),
      );
      return true;
    },
  },
  {
    name: 'an event is left out',
    rules: ['missed event', 'bookmark too early', 'transaction split'],
    plant(d) {
      const at = d.some(
        d.events((_, watch, index) => isPassed(watch, index)),
        () => true,
      );
      if (!at) return false;
      at.watch.items.splice(at.index, 1);
      return true;
    },
  },
  {
    name: 'a gap after a resume',
    rules: ['missed event', 'bookmark too early', 'transaction split'],
    plant(d) {
      const first = (watch: any) => watch.items.findIndex(isEvent);
      const watch = d.some(d.watches, (w) => w.resumes !== undefined && first(w) >= 0 && isPassed(w, first(w)));
      if (!watch) return false;
      watch.items.splice(first(watch), 1);
      return true;
    },
  },
  {
    name: 'the server a watch is resumed at has lost all events up to now',
    rules: ['missed event', 'bookmark too early', 'transaction split'],
    plant(d) {
      const last = (w: any) => w.items.findLastIndex((i: any) => i.type !== 'ERROR');
      const watch = d.some(
        d.watches,
        (w) =>
          w.resumes !== undefined && w.items.some((i: any) => isEvent(i) && i.revision < w.items[last(w)].revision),
      );
      if (!watch) return false;
      const { revision } = watch.items[last(watch)];
      watch.items = watch.items.filter((i: any) => i.type !== 'ERROR' && i.revision === revision);
      return true;
    },
  },
  {
    name: 'a watch goes on later than it ended',
    rules: ['resumed elsewhere than it ended'],
    plant(d) {
      const watch = d.some(d.watches, (w) => w.resumes !== undefined);
      if (!watch) return false;
      watch.start.after += 1;
      return true;
    },
  },
  {
    name: 'two events are exchanged',
    rules: ['events out of order'],
    plant(d) {
      const next = (watch: any, index: number) => watch.items[index + 1];
      const at = d.some(
        d.events(
          (item, watch, index) =>
            next(watch, index) && isEvent(next(watch, index)) && next(watch, index).revision > item.revision,
        ),
        () => true,
      );
      if (!at) return false;
      const { items } = at.watch;
      [items[at.index], items[at.index + 1]] = [items[at.index + 1], items[at.index]];
      [items[at.index].at, items[at.index + 1].at] = [items[at.index + 1].at, items[at.index].at];
      return true;
    },
  },
  {
    name: 'a transaction comes in two messages',
    rules: ['transaction split'],
    plant(d) {
      const at = d.some(
        d.events((item, watch) => item.batch !== undefined && sameRevision(watch, item).length > 1),
        () => true,
      );
      if (!at) return false;
      at.item.batch += 0.5;
      return true;
    },
  },
  {
    name: 'half of a transaction is not told',
    rules: ['transaction split', 'bookmark too early'],
    plant(d) {
      const at = d.some(
        d.events((item, watch) => sameRevision(watch, item).length > 1),
        () => true,
      );
      if (!at) return false;
      at.watch.items.splice(at.index, 1);
      return true;
    },
  },
  {
    name: 'a bookmark comes too early',
    rules: ['bookmark too early'],
    plant(d) {
      const at = d.some(d.events(), () => true);
      if (!at) return false;
      at.watch.items.splice(at.index, 0, { type: 'BOOKMARK', at: at.item.at, revision: at.item.revision });
      return true;
    },
  },
  {
    name: 'a bookmark goes back',
    rules: ['bookmark went back'],
    plant(d) {
      const at = d.some(d.events(), () => true);
      if (!at) return false;
      at.watch.items.splice(at.index + 1, 0, { type: 'BOOKMARK', at: at.item.at, revision: at.item.revision - 1 });
      return true;
    },
  },
  {
    name: 'a bookmark is ahead of the store',
    rules: ['event from the future'],
    plant(d) {
      const watch = d.some(d.watches, (w) => 'after' in w.start);
      if (!watch) return false;
      watch.items.push({ type: 'BOOKMARK', at: watch.ended, revision: d.timeline.until + 1 });
      return true;
    },
  },
  {
    name: 'MODIFIED where an object enters the selector, ADDED where it only changes',
    rules: ['wrong event type'],
    plant(d) {
      const at = d.some(
        d.events((item) => item.type !== 'DELETED'),
        () => true,
      );
      if (!at) return false;
      at.item.type = at.item.type === 'ADDED' ? 'MODIFIED' : 'ADDED';
      return true;
    },
  },
  {
    name: 'MODIFIED where an object leaves the selector',
    rules: ['wrong event type'],
    plant(d) {
      const at = leavings(d)[0];
      if (!at) return false;
      at.item.type = 'MODIFIED';
      at.item.contents = d.timeline.at(at.item.key, at.item.revision)!.contents as any;
      return true;
    },
  },
  {
    name: 'no DELETED where an object leaves the selector',
    rules: ['missed event', 'bookmark too early', 'transaction split'],
    plant(d) {
      const at = leavings(d).find(({ watch, index }) => isPassed(watch, index));
      if (!at) return false;
      at.watch.items.splice(at.index, 1);
      return true;
    },
  },
  {
    name: 'the previous value of an event is wrong',
    rules: ['wrong previous'],
    plant(d) {
      const at = d.some(
        d.events((item) => item.previous),
        () => true,
      );
      if (!at) return false;
      at.item.previous = null;
      return true;
    },
  },
  {
    name: 'the content of an event is older than its revision',
    rules: ['wrong event content'],
    plant(d) {
      const at = d.some(
        d.events((item) => item.type === 'MODIFIED'),
        () => true,
      );
      if (!at) return false;
      at.item.contents = d.timeline.at(at.item.key, at.item.revision - 1)!.contents as any;
      return true;
    },
  },
  {
    name: 'an event of what was never written',
    rules: ['event never written'],
    plant(d) {
      const at = d.some(
        d.events((item) => !d.timeline.changesAt(item.revision).some((c) => c.key === 'maps/ghost')),
        () => true,
      );
      if (!at) return false;
      const { at: time, revision } = at.item;
      at.watch.items.splice(at.index, 0, {
        type: 'ADDED',
        at: time,
        key: 'maps/ghost',
        revision,
        contents: { data: {} },
      });
      return true;
    },
  },
  {
    name: 'an event from before the start',
    rules: ['event before the start'],
    plant(d) {
      const early = (w: any) =>
        'after' in w.start
          ? d.timeline.changes.filter((c) => c.after && c.key.startsWith(w.prefix) && c.revision <= w.start.after)
          : [];
      const watch = d.some(d.watches, (w) => early(w).length > 0);
      if (!watch) return false;
      const { key, revision, after } = d.random.pick(early(watch));
      watch.items.unshift({ type: 'ADDED', at: watch.invoked, key, revision, contents: after!.contents });
      return true;
    },
  },
  {
    name: 'an event that the selector does not want',
    rules: ['event outside the selector'],
    plant(d) {
      const outside = (w: any) => {
        const matches = selectorOf(w.labelSelector);
        const last = w.items.findLast((i: any) => i.type !== 'ERROR')?.revision ?? 0;
        const start = 'after' in w.start ? w.start.after : Infinity;
        return d.timeline.changes.filter(
          (c) =>
            c.revision > start &&
            c.revision <= last &&
            c.key.startsWith(w.prefix) &&
            c.after &&
            !matches(c.after) &&
            !(c.before && matches(c.before)),
        );
      };
      const watch = d.some(d.watches, (w) => outside(w).length > 0);
      if (!watch) return false;
      const { key, revision, after } = d.random.pick(outside(watch));
      const index = watch.items.findIndex((i: any) => i.type !== 'ERROR' && i.revision >= revision);
      watch.items.splice(index, 0, {
        type: 'ADDED',
        at: watch.items[index].at,
        key,
        revision,
        contents: after!.contents,
      });
      return true;
    },
  },
  {
    name: 'an event before its write was asked for',
    rules: ['event from the future'],
    plant(d) {
      const at = d.some(
        d.events((item) => (d.writer(item.revision)?.invoked ?? 0) > 0),
        () => true,
      );
      if (!at) return false;
      at.item.at = d.writer(at.item.revision)!.invoked - 1;
      return true;
    },
  },
  {
    name: 'the initial events end too early',
    rules: ['wrong initial events'],
    plant(d) {
      const watch = d.some(d.watches, (w) => 'initial' in w.start && initialEnd(w) > 0);
      if (!watch) return false;
      watch.items.splice(d.random.below(initialEnd(watch)), 1);
      return true;
    },
  },
  {
    name: 'the initial events are of an old state',
    rules: ['stale initial events'],
    plant(d) {
      const watch = d.some(
        d.watches,
        (w) => w.start.initial === 'consistent' && initialEnd(w) >= 0 && d.knownBefore(w.invoked) > 2,
      );
      if (!watch) return false;
      const at = watch.items[initialEnd(watch)].at;
      const revision = d.knownBefore(watch.invoked) - 1;
      const state = d.timeline.stateAt(watch.prefix, revision, selectorOf(watch.labelSelector));
      const added = state.map((o) => ({ type: 'ADDED', at, key: o.key, revision: o.revision, contents: o.contents }));
      watch.items = [...added, { type: 'BOOKMARK', at, revision, isInitialEnd: true }];
      return true;
    },
  },
  {
    name: 'a watch falls silent forever',
    rules: ['silent watch'],
    plant(d) {
      const at = d.some(
        d.events((item, watch) => {
          const writer = d.writer(item.revision);
          return writer && sameRevision(watch, item).length === 1 && item.batch === undefined;
        }),
        () => true,
      );
      if (!at) return false;
      at.watch.items = at.watch.items.slice(0, at.index);
      at.watch.ended = Math.max(at.watch.invoked, d.writer(at.item.revision)!.returned!) + silenceMax + 1;
      for (const w of d.watches) if (w.resumes === at.watch.id) delete w.resumes;
      return true;
    },
  },
];

/** Longer than anything a model history lasts, in its unit of time. */
export const silenceMax = 1_000_000;

function appendPut(d: Draft, key: string, contents: any): void {
  const revision = d.timeline.until + 1;
  const before = d.timeline.at(key, revision);
  const birth =
    d.truth.events[0]?.uid === undefined && d.truth.events.some((e) => e.created !== undefined)
      ? { created: before?.created ?? revision }
      : { uid: before?.uid ?? 'back' };
  d.truth.events.push({ revision, key, contents, ...birth });
  d.truth.until = revision;
}

/** Nothing that was known before the request changed its key until all of it was over. */
function isQuiet(d: Draft, o: any): boolean {
  const { key } = o.operation;
  const known = d.knownBefore(o.invoked);
  return d.timeline.at(key, known) !== undefined && !d.timeline.versionsOf(key).some((v) => v.revision > known);
}

function setList(d: Draft, record: any, revision: number): void {
  const { prefix, labelSelector, limit = Infinity } = record.operation;
  const all = d.timeline.stateAt(prefix, revision, selectorOf(labelSelector));
  record.outcome = { type: 'ok', revision, objects: all.slice(0, limit), more: all.length > limit };
  // Nobody went on from it.
  for (const o of d.operations) if (o.operation.continues === record.id) o.operation.continues = undefined;
}

const isPage = (o: any) => o.operation.continues !== undefined && o.outcome.type === 'ok';
const isWholeList = (o: any) => o.operation.type === 'list' && o.outcome.type === 'ok' && !o.outcome.more && !isPage(o);

function outsiders(d: Draft, o: any): Stored[] {
  const matches = selectorOf(o.operation.labelSelector);
  return d.timeline.stateAt(o.operation.prefix, o.outcome.revision, (stored) => !matches(stored));
}

function sameRevision(watch: any, item: any): any[] {
  return watch.items.filter((i: any) => isEvent(i) && i.revision === item.revision);
}

/** Events of objects that are still there, but no longer of the selector. */
function leavings(d: Draft): { watch: any; index: number; item: any }[] {
  return d.events(
    (item, watch) => watch.labelSelector && item.type === 'DELETED' && d.timeline.at(item.key, item.revision),
  );
}
