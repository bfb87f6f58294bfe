import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keptBytes } from './kept-bytes.ts';

test('kept bytes: texts of all sizes: their own bytes, whatever comes after', () => {
  const texts = Array.from({ length: 300 }, (_, i) => `${'é'.repeat(i * 7)}${i}`);
  const kept = texts.map(keptBytes);
  assert.deepEqual(
    kept.map((bytes) => bytes.toString()),
    texts,
  );
});

test('kept bytes: no object holds the memory of many others', () => {
  for (const size of [1, 100, 1000, 2000, 20_000]) {
    const { buffer } = keptBytes('x'.repeat(size));
    assert.ok(buffer.byteLength <= Math.max(size, 8 * 1024), `${size} bytes hold ${buffer.byteLength}`);
  }
});
