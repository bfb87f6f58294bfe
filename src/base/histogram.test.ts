import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Histogram } from './histogram.ts';

test('histogram: counts up to and with each bound, and all', () => {
  const histogram = new Histogram([1, 2, 5]);
  for (const value of [0, 1, 1.5, 2, 5.1, 100]) histogram.observe(value);
  const lines: string[] = [];
  histogram.render(lines, 'x', 'a="b"');
  assert.deepEqual(lines, [
    'x_bucket{a="b",le="1"} 2',
    'x_bucket{a="b",le="2"} 4',
    'x_bucket{a="b",le="5"} 4',
    'x_bucket{a="b",le="+Inf"} 6',
    'x_sum{a="b"} 109.6',
    'x_count{a="b"} 6',
  ]);
});
