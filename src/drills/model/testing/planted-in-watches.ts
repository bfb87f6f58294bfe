/** What a watch cache can do wrong. */
import { selectorOf } from '../lists.ts';
import { initialEnd, isEvent, isPassed, leavings, type PlantedBug, sameRevision, silenceMax } from './draft.ts';

export const plantedInWatches: readonly PlantedBug[] = [
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
