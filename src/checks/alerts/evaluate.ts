/**
 * The value of an expression over samples, as Prometheus would give it: the same extrapolation at the ends of a window,
 * the same interpolation inside a bucket, the same matching of labels. `promtool test rules` is the judge, in the tests.
 */

import type { Comparison, Expression, Selector } from './expression.ts';
import { extrapolated } from './extrapolate.ts';
import { histogramQuantile } from './histogram-quantile.ts';
import { keyOf, type Labels, type Point, type Samples, type Series } from './samples.ts';

export interface Sample {
  labels: Labels;
  value: number;
}

/** A number, or a sample for each set of labels. */
export type Value = number | Sample[];

/** A sample counts as the present value for so long, unless its series ended. */
const lookbackMs = 5 * 60_000;

export function evaluate(expression: Expression, samples: Samples, at: number): Value {
  const value = (e: Expression) => evaluate(e, samples, at);
  const vectorOf = (e: Expression) => asVector(value(e));
  switch (expression.kind) {
    case 'number':
      return expression.value;
    case 'time':
      return at / 1000;
    case 'instant':
      return present(expression.selector, samples, at, (point) => point.value!);
    case 'timestamp':
      return present(expression.selector, samples, at, (point) => point.at / 1000);
    case 'range':
      return samples.matching(expression.selector).flatMap(({ labels, points }) => {
        const change = extrapolated(expression.function, points, at - expression.windowMs, at);
        return change === undefined ? [] : [{ labels, value: change }];
      });
    case 'aggregate':
      return aggregate(expression.operator, expression.by, vectorOf(expression.of));
    case 'quantile':
      return groups(vectorOf(expression.of), (labels) => without(labels, 'le')).map(({ labels, members }) => ({
        labels,
        value: histogramQuantile(
          expression.quantile,
          members.map((m) => ({ upperBound: boundOf(m.labels['le']), count: m.value })),
        ),
      }));
    case 'abs':
      return vectorOf(expression.of).map(({ labels, value }) => ({ labels, value: Math.abs(value) }));
    case 'arithmetic':
      return arithmetic(expression.operator, value(expression.left), value(expression.right));
    case 'compare':
      return vectorOf(expression.left).filter((s) => holds(s.value, expression.operator, expression.right));
    case 'and': {
      const right = new Set(vectorOf(expression.right).map((s) => keyOf(s.labels)));
      return vectorOf(expression.left).filter((s) => right.has(keyOf(s.labels)));
    }
    case 'absent':
      return vectorOf(expression.of).length > 0 ? [] : [{ labels: {}, value: 1 }];
  }
}

/** A rule's expression always gives samples, by how the rules are written. */
export function asVector(value: Value): Sample[] {
  if (typeof value === 'number') throw new Error('a number where samples are wanted');
  return value;
}

function present(selector: Selector, samples: Samples, at: number, read: (point: Point) => number): Sample[] {
  return samples.matching(selector).flatMap((series) => {
    const point = lastPoint(series, at);
    return point ? [{ labels: series.labels, value: read(point) }] : [];
  });
}

function lastPoint({ points }: Series, at: number): Point | undefined {
  const last = points.findLast((p) => p.at <= at);
  return last && last.value !== undefined && last.at > at - lookbackMs ? last : undefined;
}

function aggregate(operator: 'sum' | 'max' | 'count', by: readonly string[], vector: Sample[]): Sample[] {
  return groups(vector, (labels) => only(labels, by)).map(({ labels, members }) => {
    const values = members.map((m) => m.value);
    if (operator === 'count') return { labels, value: values.length };
    if (operator === 'sum') return { labels, value: values.reduce((total, v) => total + v, 0) };
    return { labels, value: values.reduce((most, v) => (v > most || Number.isNaN(most) ? v : most)) };
  });
}

function arithmetic(operator: '+' | '-' | '/', left: Value, right: Value): Value {
  const apply = (a: number, b: number) => (operator === '+' ? a + b : operator === '-' ? a - b : a / b);
  if (typeof left === 'number') {
    return typeof right === 'number'
      ? apply(left, right)
      : right.map((s) => ({ labels: s.labels, value: apply(left, s.value) }));
  }
  if (typeof right === 'number') return left.map((s) => ({ labels: s.labels, value: apply(s.value, right) }));
  const byLabels = new Map(right.map((s) => [keyOf(s.labels), s.value]));
  return left.flatMap(({ labels, value }) => {
    const other = byLabels.get(keyOf(labels));
    return other === undefined ? [] : [{ labels, value: apply(value, other) }];
  });
}

function holds(value: number, operator: Comparison, bound: number): boolean {
  return operator === '>' ? value > bound : operator === '<' ? value < bound : value === bound;
}

function groups(vector: Sample[], labelsOf: (labels: Labels) => Labels): { labels: Labels; members: Sample[] }[] {
  const found = new Map<string, { labels: Labels; members: Sample[] }>();
  for (const sample of vector) {
    const labels = labelsOf(sample.labels);
    const key = keyOf(labels);
    const group = found.get(key);
    if (group) group.members.push(sample);
    else found.set(key, { labels, members: [sample] });
  }
  return [...found.values()];
}

function only(labels: Labels, names: readonly string[]): Labels {
  return Object.fromEntries(names.filter((n) => labels[n]).map((n) => [n, labels[n]!]));
}

function without(labels: Labels, name: string): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([n]) => n !== name));
}

const boundOf = (le = '') => (le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le));
