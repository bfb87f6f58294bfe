import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bag, type BagItem } from './bag.ts';

interface Numbered extends BagItem {
  n: number;
}

const numbers = (bag: Bag<Numbered>) =>
  bag
    .snapshot()
    .map((item) => item.n)
    .sort((a, b) => a - b);

test('base: bag: holds what was added and not deleted, in whatever order things come and go', () => {
  const bag = new Bag<Numbered>();
  const model = new Set<number>();
  const items = Array.from({ length: 20 }, (_, n) => ({ n, bagIndex: -1 }));
  // Every item is toggled at a pace of its own.
  for (let step = 0; step < 2000; step++) {
    const item = items[(step * step + step * 7) % items.length]!;
    if (model.delete(item.n)) bag.delete(item);
    else {
      model.add(item.n);
      bag.add(item);
    }
    assert.equal(bag.size, model.size);
    assert.deepEqual(
      numbers(bag),
      [...model].sort((a, b) => a - b),
    );
  }
});

test('base: bag: adding twice and deleting twice count once', () => {
  const bag = new Bag<Numbered>();
  const [a, b] = [
    { n: 1, bagIndex: -1 },
    { n: 2, bagIndex: -1 },
  ];
  bag.add(a);
  bag.add(a);
  bag.add(b);
  assert.equal(bag.size, 2);
  bag.delete(a);
  bag.delete(a);
  assert.deepEqual(numbers(bag), [2]);
});

test('base: bag: a snapshot is not changed by what comes after', () => {
  const bag = new Bag<Numbered>();
  const item = { n: 1, bagIndex: -1 };
  bag.add(item);
  const snapshot = bag.snapshot();
  bag.delete(item);
  assert.deepEqual(
    snapshot.map((i) => i.n),
    [1],
  );
});
