import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  difference,
  type FieldSet,
  fieldSetFrom,
  intersection,
  isFieldSet,
  pathSet,
  pathsOf,
  recursiveDifference,
  sorted,
  union,
} from './field-set.ts';
import { formatPath, keyElement } from './path-element.ts';

/** Few elements, so that sets meet. */
const path = fc.array(fc.constantFrom('f:a', 'f:b', 'k:{"name":"x"}', 'v:"y"'), { minLength: 1, maxLength: 3 });
const paths = fc.array(path, { maxLength: 8 });

const setOf = (all: string[][]) => all.reduce<FieldSet | undefined>((set, p) => union(set, pathSet(...p)), undefined);
const modelOf = (all: string[][]) => new Set(all.map((p) => p.join(' ')));
const read = (set: FieldSet | undefined) => new Set(pathsOf(set).map((p) => p.join(' ')));

test('field sets: algebra: that of sets of paths', () => {
  fc.assert(
    fc.property(paths, paths, (a, b) => {
      const [x, y] = [setOf(a), setOf(b)];
      const [m, n] = [modelOf(a), modelOf(b)];
      const before = JSON.stringify([x, y]);
      assert.deepEqual(read(x), m);
      assert.deepEqual(read(union(x, y)), m.union(n));
      assert.deepEqual(read(difference(x, y)), m.difference(n));
      assert.deepEqual(read(intersection(x, y)), m.intersection(n));
      const isBelow = (p: string) => [...n].some((q) => p === q || p.startsWith(`${q} `));
      assert.deepEqual(read(recursiveDifference(x, y)), new Set([...m].filter((p) => !isBelow(p))));
      assert.equal(JSON.stringify([x, y]), before);
    }),
    { numRuns: 2000 },
  );
});

test('field sets: an operation that changes nothing: gives back the very set', () => {
  fc.assert(
    fc.property(paths, paths, (a, b) => {
      const [x, y] = [setOf(a), setOf(b)];
      const [m, n] = [modelOf(a), modelOf(b)];
      if (m.isDisjointFrom(n)) assert.equal(difference(x, y), x);
      if (n.isSubsetOf(m) && x) assert.equal(union(x, y), x);
    }),
    { numRuns: 1000 },
  );
});

test('field sets: FieldsV1: through the wire, a member with members below has a dot', () => {
  const set = setOf([
    ['f:spec', 'f:containers', 'k:{"name":"x"}'],
    ['f:spec', 'f:containers', 'k:{"name":"x"}', 'f:image'],
  ]);
  assert.deepEqual(set, { 'f:spec': { 'f:containers': { 'k:{"name":"x"}': { '.': {}, 'f:image': {} } } } });
  assert.equal(fieldSetFrom({}), undefined);
  fc.assert(
    fc.property(paths, (all) => {
      const set = setOf(all);
      assert.deepEqual(read(fieldSetFrom(JSON.parse(JSON.stringify(set ?? {})))), read(set));
    }),
  );
});

test('field sets: what a client sends: is a set or is not', () => {
  for (const good of [{}, { 'f:a': { '.': {}, 'k:{}': {} } }]) assert.ok(isFieldSet(good));
  const deep = Array.from({ length: 100_000 }).reduce<FieldSet>((below) => ({ 'f:a': below }), {});
  for (const bad of [undefined, null, [], 'x', { 'f:a': null }, { 'f:a': 'x' }, { a: {} }, { '..': {} }, deep])
    assert.ok(!isFieldSet(bad));
});

test('field sets: order: the dot, fields, keys by their values, elements', () => {
  const ports = ['k:{"containerPort":8080,"protocol":"TCP"}', 'k:{"containerPort":80,"protocol":"UDP"}'];
  const elements = ['v:"b"', 'v:"a"', ...ports, 'f:b', 'f:a', '.'];
  const set = Object.fromEntries(elements.map((e) => [e, {}])) as FieldSet;
  assert.deepEqual(Object.keys(sorted(set)), ['.', 'f:a', 'f:b', ports[1], ports[0], 'v:"a"', 'v:"b"']);
  const inOrder = sorted(set);
  assert.equal(sorted(inOrder), inOrder);
});

test('field sets: paths: shown as upstream shows them', () => {
  const keys = [
    { name: 'containerPort', default: undefined },
    { name: 'protocol', default: 'TCP' },
  ];
  const port = keyElement({ containerPort: 80 }, keys);
  assert.equal(port, 'k:{"containerPort":80,"protocol":"TCP"}');
  assert.equal(formatPath(['f:spec', 'f:ports', port, 'f:name']), '.spec.ports[containerPort=80,protocol="TCP"].name');
  assert.equal(formatPath(['f:finalizers', 'v:"a/b"']), '.finalizers[="a/b"]');
  assert.equal(keyElement({ other: 1 }, [{ name: 'name', default: undefined }]), 'k:{}');
});
