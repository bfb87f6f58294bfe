import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { WatcherIndex } from './watcher-index.ts';

const key = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 4 });
const range = fc.record({ key, end: fc.oneof(fc.constant(undefined), fc.constant(null), key) });

test('watcher index: any ranges: finds those that hold the key, and no other', () => {
  fc.assert(
    fc.property(
      fc.array(range, { maxLength: 30 }),
      fc.array(fc.nat(), { maxLength: 5 }),
      fc.array(key),
      (ranges, leaving, keys) => {
        const index = new WatcherIndex<{ range: (typeof ranges)[number] }>();
        const watchers = new Set(ranges.map((r) => ({ range: r })));
        for (const watcher of watchers) index.add(watcher);
        const lookUp = () => {
          for (const k of keys) {
            const found: { range: (typeof ranges)[number] }[] = [];
            index.find(k, found);
            const expected = [...watchers].filter(({ range: { key: start, end } }) =>
              end === undefined ? k === start : k >= start && (end === null || k < end),
            );
            assert.equal(found.length, expected.length);
            assert.deepEqual(new Set(found), new Set(expected));
          }
        };
        lookUp();
        for (const n of leaving) {
          const watcher = [...watchers][n % Math.max(1, watchers.size)];
          if (!watcher) continue;
          watchers.delete(watcher);
          index.delete(watcher);
        }
        lookUp();
      },
    ),
  );
});
