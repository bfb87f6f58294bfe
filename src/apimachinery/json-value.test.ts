import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { deepEqual, semanticDeepEqual } from './deep-equal.ts';
import { cloneJson } from './json-value.ts';

test('json value: clone: equal, and shares nothing', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const copy = cloneJson(value);
      assert.deepEqual(copy, value);
      assert.ok(deepEqual(copy, value));
      if (typeof value === 'object' && value !== null) assert.notEqual(copy, value);
    }),
  );
});

test('json value: clone: a key named __proto__ stays a key', () => {
  const copy = cloneJson(JSON.parse('{"__proto__":{"polluted":true}}'));
  assert.deepEqual(Object.keys(copy), ['__proto__']);
  assert.equal(copy.polluted, undefined);
});

test('deep equal: agrees with the text of sorted JSON', () => {
  const small = fc.jsonValue({ maxDepth: 2 });
  const sorted = (v: unknown): unknown => {
    if (Array.isArray(v)) return v.map(sorted);
    if (typeof v !== 'object' || v === null) return v;
    const entries = Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(entries.map(([k, x]) => [k, sorted(x)]));
  };
  fc.assert(
    fc.property(small, small, (a, b) => {
      assert.equal(deepEqual(a, b), JSON.stringify(sorted(a)) === JSON.stringify(sorted(b)));
    }),
  );
});

test('deep equal: semantic: nothing and empty are the same, zero is not', () => {
  assert.ok(semanticDeepEqual({ a: [], b: null, c: 1 }, { c: 1, d: {} }));
  assert.ok(!semanticDeepEqual({ a: 0 }, {}));
  assert.ok(!semanticDeepEqual({ a: '' }, {}));
  assert.ok(!deepEqual({ a: [] }, {}));
  assert.ok(deepEqual({ a: undefined }, {}));
});
