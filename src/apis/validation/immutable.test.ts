import assert from 'node:assert/strict';
import { test } from 'node:test';
import { semanticEqual } from './immutable.ts';

test('semantic equality: absent, null and empty are one; order of keys does not matter, order of lists does', () => {
  assert.ok(semanticEqual({ a: [], b: {}, c: null, d: 1 }, { d: 1 }));
  assert.ok(semanticEqual({ a: 1, b: 2 }, { b: 2, a: 1 }));
  assert.ok(!semanticEqual([1, 2], [2, 1]));
  assert.ok(!semanticEqual({ a: 0 }, {}));
  assert.ok(!semanticEqual({ a: 'x' }, { a: ['x'] }));
  assert.ok(!semanticEqual({ a: { b: 1 } }, { a: { b: 1, c: 2 } }));
});
