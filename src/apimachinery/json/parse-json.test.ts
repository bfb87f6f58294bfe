import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeJson } from './encode-json.ts';
import { scanJson } from './json-scanner.ts';
import { duplicateFieldText, JsonSyntaxError, parseJson } from './parse-json.ts';

test('json: parsing: gives what JSON.parse gives', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      const parsed = parseJson(text);
      assert.deepEqual(parsed.value, JSON.parse(text));
      assert.deepEqual(parsed.duplicateFields, []);
      assert.equal(scanJson(text).error, undefined);
    }),
  );
});

test('json: duplicate keys: found by path in the order of the document, the last one counts', () => {
  const parsed = parseJson(
    '{"metadata":{"name":"dup","name":"dup2"},"data":{"a":"1","a":"\\":","a":"3"},"l":[{"x":1},{"x":1,"x":2}]}',
  );
  assert.deepEqual(parsed.duplicateFields, ['metadata.name', 'data.a', 'l[1].x']);
  assert.equal(parsed.value.metadata.name, 'dup2');
  assert.equal(duplicateFieldText('data.a'), 'duplicate field "data.a"');
});

test('json: duplicate keys: text that looks like keys is not counted', () => {
  assert.deepEqual(parseJson('{"a":"\\"b\\": 1, \\"b\\":2", "c" : ["d:", "\\\\"]}').duplicateFields, []);
});

test('json: whole numbers written as fractions: kept by path', () => {
  const { floatLiterals } = parseJson('{"spec":{"replicas":2.0},"l":[1e3, 1.5, 7]}');
  assert.deepEqual(
    [...floatLiterals!],
    [
      ['spec.replicas', '2.0'],
      ['l[0]', '1e3'],
    ],
  );
  assert.equal(parseJson('{"v":1.5,"s":"1.0","n":100}').floatLiterals, undefined);
});

test("json: syntax errors: in the words of Go's parser", () => {
  const cases: [text: string, error: string][] = [
    ['{"kind": ', 'unexpected end of JSON input'],
    ['', 'unexpected end of JSON input'],
    ['{"a" 1}', "invalid character '1' after object key"],
    ['{"a":1 "b"', "invalid character '\"' after object key:value pair"],
    ['{a:1}', "invalid character 'a' looking for beginning of object key string"],
    ['[1 2]', "invalid character '2' after array element"],
    ['x', "invalid character 'x' looking for beginning of value"],
    ['{} y', "invalid character 'y' after top-level value"],
    ['trux', "invalid character 'x' in literal true (expecting 'e')"],
    ['"a\nb"', "invalid character '\\n' in string literal"],
    ['"\\x"', "invalid character 'x' in string escape code"],
    ['1.x', "invalid character 'x' after decimal point in numeric literal"],
  ];
  for (const [text, error] of cases) {
    assert.throws(
      () => parseJson(text),
      (e: unknown) => e instanceof JsonSyntaxError && e.message === error,
      text,
    );
  }
});

test('json: syntax errors: every text JSON.parse refuses is refused with a reason', () => {
  const fragment = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    '"a"',
    ':',
    ',',
    '1',
    '-',
    '.5',
    'e3',
    'true',
    'nul',
    ' ',
    '"\\u00e9"',
  );
  fc.assert(
    fc.property(fc.array(fragment, { maxLength: 12 }), (parts) => {
      const text = parts.join('');
      let isJson = true;
      try {
        JSON.parse(text);
      } catch {
        isJson = false;
      }
      assert.equal(scanJson(text).error === undefined, isJson, text);
    }),
    { numRuns: 2000 },
  );
});

test('json: deep documents: refused before they exhaust the stack', () => {
  assert.throws(() => parseJson('['.repeat(100_000) + ']'.repeat(100_000)), /exceeded max depth/);
  assert.throws(() => parseJson('['.repeat(1_000_000)), JsonSyntaxError);
});

test('json: encoding: escapes what HTML would read', () => {
  assert.equal(encodeJson({ a: '<&>\u2028' }), '{"a":"\\u003c\\u0026\\u003e\\u2028"}');
});

test('json: hostile texts: cost no more than their length', () => {
  const digits = '1'.repeat(1_000_000);
  assert.equal(parseJson(`{"a":${digits}}`).floatLiterals, undefined);
  assert.equal(parseJson(`{"a":"${' '.repeat(1_000_000)}"}`).value.a.length, 1_000_000);
  assert.equal(parseJson(`{"a":"${'\\\\'.repeat(500_000)}"}`).value.a.length, 500_000);
});
