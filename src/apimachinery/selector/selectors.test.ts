import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { exactFieldValue, formatFieldSelector, matchesFields, parseFieldSelector } from './fields.ts';
import {
  formatLabelSelector,
  formatLabelSelectorObject,
  labelSelectorFromMap,
  labelSelectorFromObject,
  matchesLabels,
  parseLabelSelector,
  SelectorSyntaxError,
} from './labels.ts';

const objects: Record<string, Record<string, string>> = {
  a: { env: 'prod', tier: 'fe' },
  b: { env: 'prod', tier: 'be' },
  c: { env: 'dev' },
  d: { 'example.com/x': '', n: '5' },
  e: {},
};
const selected = (text: string) => {
  const selector = parseLabelSelector(text);
  return Object.keys(objects)
    .filter((name) => matchesLabels(selector, objects[name]))
    .join('');
};

test('label selector: matching: every operator', () => {
  const cases: [text: string, names: string][] = [
    ['', 'abcde'],
    ['env=prod', 'ab'],
    ['env==prod', 'ab'],
    ['env!=prod', 'cde'],
    ['env=prod,tier=fe', 'a'],
    ['env', 'abc'],
    ['!env', 'de'],
    ['env in (prod, dev)', 'abc'],
    ['env notin (prod)', 'cde'],
    ['example.com/x=', 'd'],
    ['example.com/x in ()', 'd'],
    ['env in (,dev)', 'c'],
    ['n>4', 'd'],
    ['n<4', ''],
    [' env = prod , tier ', 'ab'],
    ['in in (in)', ''],
  ];
  for (const [text, names] of cases) assert.equal(selected(text), names, text);
});

test('label selector: inherited properties: are no labels', () => {
  assert.equal(matchesLabels(parseLabelSelector('constructor'), {}), false);
});

test('label selector: errors: in upstream words', () => {
  const label =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
  const cases: [text: string, message: string][] = [
    [
      'example.com/x in ("")',
      `unable to parse requirement: values[0][example.com/x]: Invalid value: "\\"\\"": ${label}`,
    ],
    ['env===', "unable to parse requirement: found '=', expected: identifier"],
    ['env in (prod', "unable to parse requirement: found '', expected: ',' or ')'"],
    ['a b=c', "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"],
    ['env=pr!od', "found '!', expected: ',' or 'end of string'"],
    [
      'n>x',
      "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer",
    ],
    [',env', "found ',', expected: !, identifier, or 'end of string'"],
    ['env,', "found '', expected: identifier after ','"],
    ['env in prod', "unable to parse requirement: found 'prod' expected: '('"],
    ['!=x', "found '!=', expected: !, identifier, or 'end of string'"],
  ];
  for (const [text, message] of cases) {
    assert.throws(
      () => parseLabelSelector(text),
      (e: unknown) => e instanceof SelectorSyntaxError && e.message === message,
      text,
    );
  }
});

const word = fc.constantFrom('a', 'b', 'in', 'notin', 'x.y/z', 'V-1');
const value = fc.constantFrom('', '1', 'v', 'in', '-9'.slice(1));
const requirementText = fc.oneof(
  fc.tuple(word, fc.constantFrom('=', '==', '!='), value).map((p) => p.join('')),
  fc
    .tuple(word, fc.constantFrom(' in ', ' notin '), fc.array(value, { minLength: 1 }))
    .map(([k, op, vs]) => `${k}${op}(${vs.join(',')})`),
  word,
  word.map((w) => `!${w}`),
  word.map((w) => `${w}>3`),
);

test('label selector: formatting: parses back to the same selector', () => {
  fc.assert(
    fc.property(fc.array(requirementText, { maxLength: 4 }), (texts) => {
      const selector = parseLabelSelector(texts.join(','));
      assert.deepEqual(parseLabelSelector(formatLabelSelector(selector)), selector);
    }),
  );
});

test('label selector: any text: is parsed or refused, never a crash', () => {
  const fragments = fc.constantFrom('a', '=', '!', '(', ')', ',', 'in', 'notin', ' ', '<', '>', '==', 'b/c', '"');
  fc.assert(
    fc.property(fc.array(fragments, { maxLength: 10 }), (parts) => {
      try {
        parseLabelSelector(parts.join(''));
      } catch (error) {
        assert.ok(error instanceof SelectorSyntaxError, String(error));
      }
    }),
    { numRuns: 3000 },
  );
});

test('label selector: objects: absent selects nothing, empty everything', () => {
  assert.equal(matchesLabels(labelSelectorFromObject(undefined), objects['a']), false);
  assert.equal(matchesLabels(labelSelectorFromObject({}), undefined), true);
  const selector = labelSelectorFromObject({
    matchLabels: { env: 'prod' },
    matchExpressions: [
      { key: 'tier', operator: 'In', values: ['fe', 'x'] },
      { key: 'old', operator: 'DoesNotExist' },
    ],
  });
  assert.equal(formatLabelSelector(selector), 'env=prod,!old,tier in (fe,x)');
  assert.equal(matchesLabels(selector, objects['a']), true);
  assert.equal(matchesLabels(selector, objects['b']), false);
  assert.throws(() => labelSelectorFromObject({ matchExpressions: [{ key: 'a', operator: 'Odd' }] }), {
    message: '"Odd" is not a valid label selector operator',
  });
  assert.equal(formatLabelSelectorObject({}), '<none>');
  assert.equal(matchesLabels(labelSelectorFromMap({ env: 'dev' }), objects['c']), true);
});

test('field selector: matching: absent fields are empty', () => {
  const fields = { 'metadata.name': 'a', 'spec.nodeName': '' };
  for (const text of [
    'metadata.name=a',
    'metadata.name==a',
    'metadata.name!=b,spec.nodeName=',
    'status.phase!=X',
    '',
  ]) {
    assert.equal(matchesFields(parseFieldSelector(text), fields), true, text);
  }
  assert.equal(matchesFields(parseFieldSelector('metadata.name=b'), fields), false);
  assert.equal(exactFieldValue(parseFieldSelector('a=1,metadata.name=x'), 'metadata.name'), 'x');
  assert.equal(exactFieldValue(parseFieldSelector('metadata.name!=x'), 'metadata.name'), undefined);
});

test('field selector: escapes: survive a round', () => {
  const parsed = parseFieldSelector('a=x\\,y\\=z\\\\,b!=c');
  assert.deepEqual(parsed, [
    { field: 'a', operator: '=', value: 'x,y=z\\' },
    { field: 'b', operator: '!=', value: 'c' },
  ]);
  assert.deepEqual(parseFieldSelector(formatFieldSelector(parsed)), parsed);
  assert.throws(() => parseFieldSelector('a=\\x'), { message: 'invalid field selector: invalid escape sequence: \\x' });
});

test('field selector: errors: in upstream words', () => {
  for (const text of ['metadata.name', 'metadata.name in (a)']) {
    assert.throws(() => parseFieldSelector(text), {
      message: `invalid selector: '${text}'; can't understand '${text}'`,
    });
  }
});
