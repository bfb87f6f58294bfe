/**
 * The expressions that alert rules are made of: as much of PromQL as they need, as data. `promqlOf` writes one for
 * Prometheus, `evaluate.ts` gives its value without one; both from the same definition, so that they cannot disagree.
 */
export type Expression =
  | { kind: 'number'; value: number }
  /** Seconds since the epoch, at the evaluation. */
  | { kind: 'time' }
  | { kind: 'instant'; selector: Selector }
  /** When the sample was taken, in place of its value. */
  | { kind: 'timestamp'; selector: Selector }
  | { kind: 'range'; function: RangeFunction; selector: Selector; windowMs: number }
  | { kind: 'aggregate'; operator: 'sum' | 'max' | 'count'; by: readonly string[]; of: Expression }
  /** Of a histogram's buckets, which differ by `le`. */
  | { kind: 'quantile'; quantile: number; of: Expression }
  | { kind: 'abs'; of: Expression }
  /** Vectors are matched by all their labels. */
  | { kind: 'arithmetic'; operator: '+' | '-' | '/'; left: Expression; right: Expression }
  /** Keeps the samples for which it holds. */
  | { kind: 'compare'; operator: Comparison; left: Expression; right: number }
  | { kind: 'and'; left: Expression; right: Expression }
  /** One sample, without labels, when there is none. */
  | { kind: 'absent'; of: Expression };

export interface Selector {
  metric: string;
  matchers: readonly Matcher[];
}

export interface Matcher {
  label: string;
  /** The regular expressions are anchored at both ends. */
  operator: '=' | '!=' | '=~' | '!~';
  value: string;
}

export type RangeFunction = 'rate' | 'increase' | 'delta';
export type Comparison = '>' | '<' | '==';

/** `select('up', 'job=apiserver', 'code=~5..')`. */
export function select(metric: string, ...matchers: string[]): Selector {
  return { metric, matchers: matchers.map(matcherOf) };
}

function matcherOf(text: string): Matcher {
  const [, label, operator, value] = /^(\w+)(=~|!~|!=|=)(.*)$/.exec(text) ?? [];
  if (!label) throw new Error(`no matcher: ${text}`);
  return { label, operator: operator as Matcher['operator'], value: value! };
}

export const instant = (selector: Selector): Expression => ({ kind: 'instant', selector });
export const rate = (selector: Selector, windowMs: number): Expression => over('rate', selector, windowMs);
export const over = (name: RangeFunction, selector: Selector, windowMs: number): Expression => ({
  kind: 'range',
  function: name,
  selector,
  windowMs,
});
export const sum = (by: readonly string[], of: Expression): Expression => ({
  kind: 'aggregate',
  operator: 'sum',
  by,
  of,
});
export const max = (by: readonly string[], of: Expression): Expression => ({
  kind: 'aggregate',
  operator: 'max',
  by,
  of,
});
export const quantile = (share: number, of: Expression): Expression => ({ kind: 'quantile', quantile: share, of });
export const divide = (left: Expression, right: Expression): Expression => arithmetic('/', left, right);
export const minus = (left: Expression, right: Expression): Expression => arithmetic('-', left, right);
export const number = (value: number): Expression => ({ kind: 'number', value });
export const above = (left: Expression, right: number): Expression => ({ kind: 'compare', operator: '>', left, right });
export const below = (left: Expression, right: number): Expression => ({ kind: 'compare', operator: '<', left, right });
export const equals = (left: Expression, right: number): Expression => ({
  kind: 'compare',
  operator: '==',
  left,
  right,
});
export const and = (left: Expression, right: Expression): Expression => ({ kind: 'and', left, right });
export const absent = (of: Expression): Expression => ({ kind: 'absent', of });

function arithmetic(operator: '+' | '-' | '/', left: Expression, right: Expression): Expression {
  return { kind: 'arithmetic', operator, left, right };
}

/** What is compared, without the comparison: what a panel shows. */
export function comparedIn(expression: Expression): Expression {
  if (expression.kind === 'compare' || expression.kind === 'and') return comparedIn(expression.left);
  if (expression.kind === 'absent') return comparedIn(expression.of);
  return expression;
}

/** All the selectors in it. */
export function selectorsOf(expression: Expression): Selector[] {
  switch (expression.kind) {
    case 'instant':
    case 'timestamp':
    case 'range':
      return [expression.selector];
    case 'arithmetic':
    case 'and':
      return [...selectorsOf(expression.left), ...selectorsOf(expression.right)];
    case 'compare':
      return selectorsOf(expression.left);
    case 'number':
    case 'time':
      return [];
    default:
      return selectorsOf(expression.of);
  }
}

/** Of the windows in it, undefined when it has none. */
export function shortestWindowOf(expression: Expression): number | undefined {
  switch (expression.kind) {
    case 'range':
      return expression.windowMs;
    case 'arithmetic':
    case 'and': {
      const both = [shortestWindowOf(expression.left), shortestWindowOf(expression.right)];
      const found = both.filter((ms) => ms !== undefined);
      return found.length > 0 ? Math.min(...found) : undefined;
    }
    case 'compare':
      return shortestWindowOf(expression.left);
    case 'number':
    case 'time':
    case 'instant':
    case 'timestamp':
      return undefined;
    default:
      return shortestWindowOf(expression.of);
  }
}

export function promqlOf(expression: Expression): string {
  switch (expression.kind) {
    case 'number':
      return String(expression.value);
    case 'time':
      return 'time()';
    case 'instant':
      return selectorText(expression.selector);
    case 'timestamp':
      return `timestamp(${selectorText(expression.selector)})`;
    case 'range':
      return `${expression.function}(${selectorText(expression.selector)}[${durationText(expression.windowMs)}])`;
    case 'aggregate': {
      const by = expression.by.length > 0 ? ` by (${expression.by.join(', ')}) ` : '';
      return `${expression.operator}${by}(${promqlOf(expression.of)})`;
    }
    case 'quantile':
      return `histogram_quantile(${expression.quantile}, ${promqlOf(expression.of)})`;
    case 'abs':
    case 'absent':
      return `${expression.kind}(${promqlOf(expression.of)})`;
    case 'arithmetic':
      return `${operand(expression.left)} ${expression.operator} ${operand(expression.right)}`;
    case 'compare':
      return `${operand(expression.left)} ${expression.operator} ${expression.right}`;
    case 'and':
      return `${operand(expression.left)} and ${operand(expression.right)}`;
  }
}

/** In brackets where precedence would have to be known. */
function operand(expression: Expression): string {
  const isCompound = ['arithmetic', 'compare', 'and'].includes(expression.kind);
  return isCompound ? `(${promqlOf(expression)})` : promqlOf(expression);
}

function selectorText({ metric, matchers }: Selector): string {
  const inside = matchers.map((m) => `${m.label}${m.operator}${JSON.stringify(m.value)}`).join(', ');
  return inside === '' ? metric : `${metric}{${inside}}`;
}

const units: [ms: number, name: string][] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'm'],
  [1000, 's'],
  [1, 'ms'],
];

/** In the largest unit that gives a whole number, as Prometheus reads it: `90s`, `5m`, `3d`. */
export function durationText(ms: number): string {
  const whole = Math.round(ms);
  if (whole === 0) return '0s';
  const [unit, name] = units.find(([size]) => whole % size === 0)!;
  return `${whole / unit}${name}`;
}
