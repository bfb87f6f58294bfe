/** Without the store's account: the search, and the account merged from what clients were told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { check, verdictText } from './checker.ts';
import type { Operation, OperationRecord, Outcome, Stored } from './history.ts';
import { SeededRandom } from './random.ts';
import { searchOrder } from './search.ts';
import { Draft } from './testing/draft.ts';
import { correctHistory } from './testing/model-store.ts';
import { plantedBugs } from './testing/planted-bugs.ts';

let ids = 0;
const op = (client: string, at: [number, number], operation: Operation, outcome: Outcome): OperationRecord => ({
  id: ++ids,
  client,
  invoked: at[0],
  returned: at[1],
  operation,
  outcome,
});
const contents = (token: string) => ({ data: { token } });
const stored = (token: string, revision = 0): Stored => ({ key: 'a', revision, contents: contents(token) });
const put = (token: string): Operation => ({ type: 'put', key: 'a', contents: contents(token) });
const get: Operation = { type: 'get', key: 'a', freshness: 'consistent' };
const found = (token: string | null): Outcome => ({ type: 'ok', object: token === null ? null : stored(token) });
const done: Outcome = { type: 'ok' };
const unknown: Outcome = { type: 'unknown' };
const search = (...records: OperationRecord[]) => searchOrder(records).type;

test('search: real time: what was over before is seen', () => {
  assert.equal(search(op('1', [0, 1], put('x'), done), op('2', [2, 3], get, found('x'))), 'linearizable');
  assert.equal(search(op('1', [0, 1], put('x'), done), op('2', [2, 3], get, found(null))), 'not linearizable');
  assert.equal(search(op('1', [0, 2], put('x'), done), op('2', [2, 3], get, found(null))), 'linearizable');
});

test('search: overlapping reads: once the new is seen, the old is gone', () => {
  const write = op('1', [0, 10], put('x'), done);
  const reads = (first: string | null, second: string | null) =>
    search(write, op('2', [1, 2], get, found(first)), op('3', [3, 4], get, found(second)));
  assert.equal(reads(null, 'x'), 'linearizable');
  assert.equal(reads('x', null), 'not linearizable');
});

test('search: unknown outcomes: may happen at once, later, or never; not twice', () => {
  const lost = op('1', [0, 1], put('x'), unknown);
  const read = (token: string | null, at: number) => op('2', [at, at + 1], get, found(token));
  assert.equal(search(lost, read(null, 2), read(null, 4)), 'linearizable');
  assert.equal(search(lost, read(null, 2), read('x', 4)), 'linearizable');
  assert.equal(search(lost, read('x', 2), read(null, 4)), 'not linearizable');
  const other = op('3', [3, 4], put('y'), done);
  assert.equal(search(lost, read('x', 2), other, read('y', 5), read('x', 7)), 'not linearizable');
});

test('search: compare-and-swap: only where the state is what it says', () => {
  const swap = (revision: number, token: string): Operation => ({
    type: 'update',
    key: 'a',
    contents: contents(token),
    revision,
  });
  const first = op('1', [0, 1], put('x'), { type: 'ok', revision: 5 });
  const both = [
    op('2', [2, 6], swap(5, 'y'), { type: 'ok', revision: 6 }),
    op('3', [2, 6], swap(5, 'z'), { type: 'ok', revision: 7 }),
  ];
  assert.equal(search(first, both[0]!), 'linearizable');
  assert.equal(search(first, ...both), 'not linearizable');
  const refused = op('3', [2, 6], swap(5, 'z'), { type: 'failed', reason: 'conflict' });
  assert.equal(search(first, both[0]!, refused), 'linearizable');
  assert.equal(search(first, refused), 'not linearizable');
});

test('search: too entangled: says that it does not know', () => {
  const writes = Array.from({ length: 12 }, (_, i) => op(`w${i}`, [0, 100], put(`t${i}`), done));
  const never = op('r', [101, 102], get, found('other'));
  assert.equal(searchOrder([...writes, never], 1000).type, 'undecided');
});

test('search: explanation: only what is needed, and what would have been legal', () => {
  const noise = Array.from({ length: 200 }, (_, i) => [
    op('n', [i * 10, i * 10 + 1], put(`t${i}`), done),
    op('m', [i * 10 + 2, i * 10 + 3], get, found(`t${i}`)),
  ]).flat();
  const stale = op('r', [1505, 1506], get, found('t120'));
  const verdict = check({ operations: [...noise, stale], watches: [] });
  assert.equal(verdict.violationCount, 1);
  const [violation] = verdict.violations;
  assert.equal(violation!.rule, 'not linearizable');
  assert.ok(violation!.operations.includes(stale.id));
  assert.ok(violation!.operations.length <= 4, verdictText(verdict));
  assert.match(violation!.legal, /could have found \{token=t150\}/);
});

for (const style of ['etcd', 'kubernetes'] as const) {
  test(`checker: without a truth: correct histories: ${style}: never an alarm`, () => {
    for (let seed = 1; seed <= 100; seed++) {
      const { history } = correctHistory({ seed, style, steps: 100 + (seed % 5) * 50 });
      const verdict = check(history);
      assert.ok(verdict.isConsistent, `seed ${seed}\n${verdictText(verdict)}`);
      assert.deepEqual(verdict.undecided, [], `seed ${seed}`);
    }
  });
}

/** What clients can know by themselves; the rest needs the store's own account. */
const seenByClients = [
  'a stale read, as after a pause',
  'a dirty read: of a write that was never to be',
  'two creates of one key both succeed',
  'a compare-and-swap succeeds on the wrong revision',
  'an event comes twice',
  'two events are exchanged',
  'a transaction comes in two messages',
  'a bookmark goes back',
  'a watch goes on later than it ended',
];
for (const name of seenByClients) {
  test(`checker: without a truth: planted: ${name}`, () => {
    const bug = plantedBugs.find((b) => b.name === name)!;
    let decided = 0;
    let caught = 0;
    for (const style of ['etcd', 'kubernetes'] as const) {
      for (let seed = 1; seed <= 12; seed++) {
        const draft = new Draft(correctHistory({ seed, style, steps: 250 }), new SeededRandom(seed));
        if (!bug.plant(draft)) continue;
        const verdict = check(draft.history, { triesMax: 5_000 });
        if (!verdict.isConsistent) caught++;
        if (!verdict.isConsistent || verdict.undecided.length === 0) decided++;
      }
    }
    // Where an answer is missing, another history may explain what was seen: then there is nothing to catch.
    assert.ok(caught >= 3 && caught >= decided / 2, `caught ${caught} of ${decided}`);
  });
}
