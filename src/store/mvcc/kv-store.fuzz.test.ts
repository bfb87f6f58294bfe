/** Any history of puts, deletes, transactions, compactions and restarts reads as a map per revision would. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { EventType } from '#etcd/key-value.ts';
import { type Database, openDatabase } from '../backend/database.ts';
import { noLeases, randomId, temporaryDirectory } from '../testing/fixtures.ts';
import { type KeyRange, KvStore } from './kv-store.ts';

interface Entry {
  value: string;
  create: number;
  mod: number;
  version: number;
}
type State = Map<string, Entry>;

const keys = ['a', 'b', 'ba', 'c', 'ÿ'];
const key = fc.constantFrom(...keys);
const put = fc.record({ kind: fc.constant('put' as const), key, value: fc.string({ maxLength: 3 }) });
const remove = fc.record({
  kind: fc.constant('delete' as const),
  key,
  end: fc.constantFrom(undefined, null, 'b', 'c'),
});
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('txn' as const), ops: fc.array(fc.oneof(put, remove), { maxLength: 4 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('compact' as const),
      part: fc.double({ min: 0, max: 1, noNaN: true }),
      isCrash: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
);

const isWithin = (k: string, { key: start, end }: KeyRange) =>
  end === undefined ? k === start : k >= start && (end === null || k < end);

test('kv store: any history: reads as the model does, at every revision left', (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const dir = temporaryDirectory(t);
      let database: Database = openDatabase(dir, randomId, new FakeClock());
      let kv = new KvStore(database, noLeases);
      const states: State[] = [new Map(), new Map()];
      const events: [number, string, string][] = [];
      let compacted = 0;
      try {
        for (const one of steps) {
          database.begin();
          if (one.kind === 'txn') {
            const main = states.length;
            const next: State = new Map(states.at(-1));
            let changed = 0;
            kv.begin();
            for (const op of one.ops) {
              if (op.kind === 'put') {
                kv.put(Buffer.from(op.key, 'latin1'), Buffer.from(op.value), 0n);
                const before = next.get(op.key);
                next.set(op.key, {
                  value: op.value,
                  create: before?.create ?? main,
                  mod: main,
                  version: (before?.version ?? 0) + 1,
                });
                events.push([main, 'put', op.key]);
                changed++;
              } else {
                const gone = [...next.keys()].filter((k) => isWithin(k, op)).sort();
                assert.equal(kv.deleteRange(op), gone.length);
                for (const k of gone) {
                  next.delete(k);
                  events.push([main, 'delete', k]);
                }
                changed += gone.length;
              }
            }
            assert.equal(kv.end().length, changed);
            if (changed > 0) states.push(next);
          } else if (one.kind === 'compact') {
            const revision = Math.floor(one.part * kv.revision);
            if (revision > compacted) {
              kv.compact(revision);
              compacted = revision;
              let after: string | undefined = '';
              while (after !== undefined && !one.isCrash) after = kv.compactSome(after, 2);
            }
          }
          database.commit();
          if (one.kind === 'restart') {
            database.close();
            database = openDatabase(dir, randomId, new FakeClock());
            kv = new KvStore(database, noLeases);
          }
        }
        check(kv, states, events, compacted);
      } finally {
        database.close();
      }
    }),
    { numRuns: 60 },
  );
});

function check(kv: KvStore, states: State[], events: [number, string, string][], compacted: number): void {
  assert.equal(kv.revision, states.length - 1);
  for (let revision = Math.max(1, compacted); revision < states.length; revision++) {
    const got: [string, Entry][] = [];
    kv.scan({ key: '', end: null }, revision, (k, found) => {
      const row = kv.keyValue(k, found, true);
      got.push([
        k,
        { value: row.value.toString(), create: row.createRevision, mod: row.modRevision, version: row.version },
      ]);
      return true;
    });
    assert.deepEqual(
      got,
      [...states[revision]!].sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  }
  if (compacted > 1) assert.throws(() => kv.scan({ key: '', end: null }, compacted - 1, () => true), /compacted/);
  assert.throws(() => kv.scan({ key: '', end: null }, states.length, () => true), /future revision/);
  // A watch may begin at the compacted revision: the last change of each key at it is still there, a deletion too.
  const history = [...kv.history(Math.max(2, compacted), states.length)].map((row) => {
    const event = kv.eventOf(row);
    return [row.main, event.type === EventType.PUT ? 'put' : 'delete', row.key.toString('latin1')];
  });
  assert.deepEqual(
    history,
    events.filter(
      ([main, , k], i) => main > compacted || (main === compacted && !events.slice(i + 1).some(isLaterAt(main, k))),
    ),
  );
}

const isLaterAt =
  (main: number, k: string) =>
  ([otherMain, , otherKey]: [number, string, string]): boolean =>
    otherMain === main && otherKey === k;
