/** What a store can do wrong with writes. */
import { appendPut, isQuiet, type PlantedBug } from './draft.ts';

export const plantedInWrites: readonly PlantedBug[] = [
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
];
