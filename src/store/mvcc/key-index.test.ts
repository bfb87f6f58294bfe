import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyIndex } from './key-index.ts';

/** put at 2, 5, deleted at 7, put at 9: the example of the file. */
function example(): KeyIndex {
  const index = new KeyIndex('k');
  index.put(2, 0);
  index.put(5, 0);
  index.tombstone(7, 0);
  index.put(9, 0);
  return index;
}
const seen = (index: KeyIndex, revision: number) => {
  const found = index.at(revision);
  return found && [found.main, found.createRevision, found.version];
};

test('key index: at a revision: what was written last, nothing where it was deleted', () => {
  const index = example();
  assert.deepEqual(
    [1, 2, 4, 6, 7, 8, 9, 20].map((revision) => seen(index, revision)),
    [undefined, [2, 2, 1], [2, 2, 1], [5, 2, 2], undefined, undefined, [9, 9, 1], [9, 9, 1]],
  );
});

test('key index: compaction: keeps what can still be asked for, and says what it drops', () => {
  const dropped = (revision: number) => {
    const index = example();
    const rows: number[] = [];
    index.compact(revision, (main) => rows.push(main));
    return { rows, index };
  };
  assert.deepEqual(dropped(4).rows, []);
  const six = dropped(6);
  assert.deepEqual(six.rows, [2]);
  assert.deepEqual(seen(six.index, 6), [5, 2, 2]);
  // A watch may begin at 7, and must then be told of the deletion.
  assert.deepEqual(dropped(7).rows, [2, 5]);
  assert.deepEqual(dropped(8).rows, [2, 5, 7]);
  const nine = dropped(9);
  assert.deepEqual(nine.rows, [2, 5, 7]);
  assert.deepEqual(seen(nine.index, 9), [9, 9, 1]);
});

test('key index: compaction: a deleted key leaves nothing, and can be created again', () => {
  const index = new KeyIndex('k');
  index.put(2, 0);
  index.tombstone(3, 0);
  index.compact(4, () => {});
  assert.equal(index.isEmpty, true);
  assert.equal(index.put(5, 0).version, 1);
});

test('key index: restore: a deletion whose other rows are compacted goes with the next compaction', () => {
  const index = new KeyIndex('k');
  index.restore(3, 0, 0, 0);
  assert.equal(seen(index, 3), undefined);
  const rows: number[] = [];
  index.compact(4, (main) => rows.push(main));
  assert.deepEqual(rows, [3]);
  assert.equal(index.isEmpty, true);
});

test('key index: before: within one revision, by the order of its changes', () => {
  const index = new KeyIndex('k');
  index.put(2, 0);
  index.put(3, 1);
  assert.equal(index.before(3, 1)!.main, 2);
  assert.equal(index.before(2, 0), undefined);
});
