import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isStatusError } from '../status-error.ts';
import { applyJsonPatch } from './json-patch.ts';
import { applyMergePatch } from './merge-patch.ts';

const generic = 'the server rejected our request due to an error in our request';

test('json patch: operations: as RFC 6902 has them, and the document stays as it was', () => {
  const document = { data: { k: 'v' }, list: [1, 2], a: { 'example.com/x': '1', 'm~n': '2' } };
  const before = structuredClone(document);
  const patched = applyJsonPatch(document, [
    { op: 'add', path: '/data/n', value: '1' },
    { op: 'replace', path: '/data/k', value: 'v2' },
    { op: 'replace', path: '/a/example.com~1x', value: 's' },
    { op: 'remove', path: '/a/m~0n' },
    { op: 'test', path: '/data/n', value: '1' },
    { op: 'move', from: '/data/n', path: '/data/moved' },
    { op: 'copy', from: '/data/moved', path: '/data/copied' },
    { op: 'add', path: '/list/-', value: 3 },
    { op: 'add', path: '/list/0', value: 0 },
    { op: 'remove', path: '/list/-1' },
  ]);
  assert.deepEqual(patched, {
    data: { k: 'v2', moved: '1', copied: '1' },
    list: [0, 1, 2],
    a: { 'example.com/x': 's' },
  });
  assert.deepEqual(document, before);
});

test('json patch: missing keys: replace adds, test for null holds', () => {
  const document = { data: {} };
  assert.deepEqual(applyJsonPatch(document, [{ op: 'replace', path: '/data/none', value: 'x' }]), {
    data: { none: 'x' },
  });
  assert.deepEqual(applyJsonPatch(document, [{ op: 'test', path: '/data/none', value: null }]), document);
});

test('json patch: failures: one answer for all', () => {
  const cases = [
    { op: 'test', path: '/data/k', value: 'other' },
    { op: 'test', path: '/data/none', value: 'x' },
    { op: 'remove', path: '/data/none' },
    { op: 'add', path: '/none/a', value: 1 },
    { op: 'add', path: '/list/9', value: 1 },
    { op: 'add', path: '/list/x', value: 1 },
    { op: 'frob', path: '/data/k' },
    { op: 'add', path: 'data', value: 1 },
    { op: 'remove', path: '/data/constructor' },
    { path: '/data' },
  ];
  for (const operation of cases) {
    assert.throws(
      () => applyJsonPatch({ data: { k: 'v' }, list: [] }, [operation]),
      (e: unknown) => isStatusError(e, 'Invalid') && e.code === 422 && e.message === generic,
      JSON.stringify(operation),
    );
  }
});

test('json patch: what is none: 400; too much: 413', () => {
  assert.throws(() => applyJsonPatch({}, { data: {} }), {
    message: 'error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp',
  });
  const operation = { op: 'test', path: '/kind', value: 'ConfigMap' };
  assert.throws(() => applyJsonPatch({ kind: 'ConfigMap' }, new Array(10_001).fill(operation)), {
    message: 'Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001',
  });
  const big = { a: 'x'.repeat(200_000) };
  assert.throws(
    () =>
      applyJsonPatch(
        big,
        Array.from({ length: 20 }, (_, i) => ({ op: 'copy', from: '/a', path: `/b${i}` })),
      ),
    { message: generic },
  );
});

test('json patch: __proto__: is a key like any other', () => {
  const patched = applyJsonPatch({}, [{ op: 'add', path: '/__proto__', value: { polluted: 1 } }]);
  assert.deepEqual(Object.keys(patched), ['__proto__']);
  assert.equal(Object.getPrototypeOf(patched), Object.prototype);
  assert.throws(() => applyJsonPatch({}, [{ op: 'add', path: '/__proto__/polluted', value: 1 }]));
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
});

test('json patch: a computed patch: turns any object into any other', () => {
  const document = fc.dictionary(fc.string({ maxLength: 3 }), fc.jsonValue({ maxDepth: 2 }), {
    maxKeys: 5,
    noNullPrototype: true,
  });
  const escapeKey = (key: string) => key.replaceAll('~', '~0').replaceAll('/', '~1');
  fc.assert(
    fc.property(document, document, (from, to) => {
      const operations = [
        ...Object.keys(from)
          .filter((k) => !Object.hasOwn(to, k))
          .map((k) => ({ op: 'remove', path: `/${escapeKey(k)}` })),
        ...Object.keys(to).map((k) => ({ op: 'add', path: `/${escapeKey(k)}`, value: to[k] })),
      ];
      assert.deepEqual(applyJsonPatch(from, operations), to);
    }),
  );
});

test('merge patch: the examples of RFC 7386', () => {
  const cases: [target: object, patch: object, result: object][] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  for (const [target, patch, result] of cases) assert.deepEqual(applyMergePatch(target, patch), result);
});

test('merge patch: not an object: 400', () => {
  assert.throws(() => applyMergePatch({}, [1]), {
    message: 'error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}',
  });
});

test('merge patch: __proto__: never reaches a prototype', () => {
  applyMergePatch({}, JSON.parse('{"__proto__":{"polluted":1}}'));
  applyMergePatch({ a: {} }, JSON.parse('{"a":{"constructor":{"prototype":{"polluted":1}}}}'));
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
});

test('merge patch: twice: the second time changes nothing', () => {
  const object = fc.dictionary(fc.string({ maxLength: 2 }), fc.jsonValue({ maxDepth: 3 }), {
    maxKeys: 5,
    noNullPrototype: true,
  });
  fc.assert(
    fc.property(object, object, (target, patch) => {
      const before = JSON.stringify(target);
      const once = applyMergePatch(target, patch);
      assert.equal(JSON.stringify(applyMergePatch(once, patch)), JSON.stringify(once));
      assert.equal(JSON.stringify(target), before);
    }),
  );
});
