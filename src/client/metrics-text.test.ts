import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseMetrics } from './metrics-text.ts';

test('metrics text: comments, labels, escapes, special numbers, times', () => {
  const text = `# HELP a b
# TYPE a counter
a 1
a{} 2
b{x="1",y="a\\"b\\\\c\\nd{},="} 3.5e-3 1700000000
c_bucket{le="+Inf"} +Inf
d NaN
`;
  assert.deepEqual(parseMetrics(text), [
    { name: 'a', labels: {}, value: 1 },
    { name: 'a', labels: {}, value: 2 },
    { name: 'b', labels: { x: '1', y: 'a"b\\c\nd{},=' }, value: 0.0035 },
    { name: 'c_bucket', labels: { le: '+Inf' }, value: Number.POSITIVE_INFINITY },
    { name: 'd', labels: {}, value: Number.NaN },
  ]);
});

test('metrics text: a line that is none is passed over, the others are read', () => {
  for (const wrong of ['a', 'a{', 'a{x} 1', 'a{x="1} 1', 'a{x="1"', 'a one', '{} 1', '<html>', 'a{x="1" y="2"} 1']) {
    assert.deepEqual(parseMetrics(`${wrong}\nb 1`), [{ name: 'b', labels: {}, value: 1 }], wrong);
  }
});

test('metrics text: fuzz: labels come back as they were written, and nothing else is thrown', () => {
  const escaped = (value: string) => value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
  fc.assert(
    fc.property(
      fc.dictionary(fc.stringMatching(/^[a-z_]\w*$/), fc.string()),
      fc.double({ noNaN: true }),
      (labels, value) => {
        const inside = Object.entries(labels).map(([name, text]) => `${name}="${escaped(text)}"`);
        const number = Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : '-Inf';
        assert.deepEqual(parseMetrics(`m{${inside.join(',')}} ${number}`)[0]?.labels, { ...labels });
      },
    ),
  );
  fc.assert(fc.property(fc.string(), (text) => Array.isArray(parseMetrics(text))));
});
