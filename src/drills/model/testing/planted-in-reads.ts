/** What a server can do wrong with gets and lists. */
import type { Stored } from '../history.ts';
import { isPage, isWholeList, outsiders, type PlantedBug, setList } from './draft.ts';

export const plantedInReads: readonly PlantedBug[] = [
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
    name: 'a page is not in the order of keys',
    rules: ['list out of order'],
    plant(d) {
      const page = d.some(d.operations, (o) => isPage(o) && o.outcome.objects.length > 1);
      if (!page) return false;
      page.outcome.objects.reverse();
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
];
