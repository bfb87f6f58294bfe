import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { JsonObject } from '../json-value.ts';
import { isStatusError } from '../status-error.ts';
import { schemaNames, schemas } from '../testing/fixtures.ts';
import { applyStrategicMergePatch } from './strategic-merge.ts';

const deployment = (podSpec: object, metadata: object = {}) => ({ metadata, spec: { template: { spec: podSpec } } });
const patchPodSpec = (original: object, patch: object): JsonObject =>
  applyStrategicMergePatch(schemas, schemaNames.deployment, deployment(original), deployment(patch))['spec'].template
    .spec;
const patchMeta = (original: object, patch: object): JsonObject =>
  applyStrategicMergePatch(schemas, schemaNames.deployment, { metadata: original }, { metadata: patch })['metadata'];

test('strategic merge: lists of objects: merged by key, the new in front', () => {
  const original = {
    containers: [
      { name: 'x', image: 'x:1' },
      { name: 'y', image: 'y:1' },
    ],
  };
  assert.deepEqual(patchPodSpec(original, { containers: [{ name: 'y', image: 'y:2' }] }), {
    containers: [
      { name: 'x', image: 'x:1' },
      { name: 'y', image: 'y:2' },
    ],
  });
  const { containers } = patchPodSpec(original, { containers: [{ name: 'w' }] });
  assert.deepEqual(
    containers.map((c: JsonObject) => c['name']),
    ['w', 'x', 'y'],
  );
});

test('strategic merge: nested lists: ports by containerPort, in the order of the server and the patch', () => {
  const ports = [
    { containerPort: 80, protocol: 'TCP' },
    { containerPort: 81, protocol: 'TCP' },
  ];
  const { containers } = patchPodSpec(
    { containers: [{ name: 'x', ports }] },
    { containers: [{ name: 'x', ports: [{ containerPort: 80, name: 'web' }, { containerPort: 82 }] }] },
  );
  assert.deepEqual(containers[0].ports, [
    { name: 'web', containerPort: 80, protocol: 'TCP' },
    { containerPort: 82 },
    { containerPort: 81, protocol: 'TCP' },
  ]);
});

test('strategic merge: $patch: deletes and replaces, in lists and maps', () => {
  const original = { containers: [{ name: 'w' }, { name: 'x' }] };
  assert.deepEqual(patchPodSpec(original, { containers: [{ name: 'w', $patch: 'delete' }] }).containers, [
    { name: 'x' },
  ]);
  assert.deepEqual(patchPodSpec(original, { containers: [{ $patch: 'replace' }, { name: 'only' }] }).containers, [
    { name: 'only' },
  ]);
  const annotations = { a: '1' };
  assert.deepEqual(patchMeta({ annotations }, { annotations: { $patch: 'replace', fresh: 'yes' } }), {
    annotations: { fresh: 'yes' },
  });
  assert.deepEqual(patchMeta({ annotations }, { annotations: { $patch: 'delete' } }), { annotations: {} });
  assert.deepEqual(patchMeta({}, { annotations: { $patch: 'frobnicate' } }), { annotations: {} });
});

test('strategic merge: $setElementOrder: decides the order, whether the list changes or not', () => {
  const original = {
    containers: [
      { name: 'x', image: '1' },
      { name: 'y', image: '1' },
      { name: 'z', image: '1' },
    ],
  };
  const order = { '$setElementOrder/containers': [{ name: 'y' }, { name: 'x' }] };
  const names = (spec: JsonObject) => spec['containers'].map((c: JsonObject) => c['name'] + c['image']);
  assert.deepEqual(names(patchPodSpec(original, { ...order, containers: [{ name: 'y', image: '3' }] })), [
    'y3',
    'x1',
    'z1',
  ]);
  assert.deepEqual(names(patchPodSpec(original, order)), ['y1', 'x1', 'z1']);
  assert.throws(
    () => patchPodSpec(original, { ...order, containers: [{ name: 'q' }] }),
    (e: unknown) =>
      isStatusError(e) && e.code === 500 && /^The order in patch list:\n\[map\[name:q\]\]/.test(e.message),
  );
});

test('strategic merge: $retainKeys: clears the other members of a union', () => {
  const original = { volumes: [{ name: 'v', emptyDir: {} }] };
  const patch = { volumes: [{ name: 'v', $retainKeys: ['name', 'configMap'], configMap: { name: 'c' } }] };
  assert.deepEqual(patchPodSpec(original, patch).volumes, [{ name: 'v', configMap: { name: 'c' } }]);
  const bad = { volumes: [{ name: 'v', $retainKeys: ['name'], configMap: { name: 'c' } }] };
  assert.throws(() => patchPodSpec(original, bad), /invalid patch format of retainKeys/);
});

test('strategic merge: lists of scalars: finalizers merge as a set, args are replaced', () => {
  const finalizers = ['example.com/a'];
  assert.deepEqual(patchMeta({ finalizers }, { finalizers: ['example.com/b', 'example.com/a'] }).finalizers, [
    'example.com/b',
    'example.com/a',
  ]);
  const removal = { '$deleteFromPrimitiveList/finalizers': ['example.com/a'] };
  assert.deepEqual(patchMeta({ finalizers: ['example.com/a', 'example.com/b'] }, removal).finalizers, [
    'example.com/b',
  ]);
  assert.deepEqual(patchMeta({}, removal), {});
  const spec = patchPodSpec(
    { containers: [{ name: 'x', args: ['1', '2'] }] },
    { containers: [{ name: 'x', args: ['3'] }] },
  );
  assert.deepEqual(spec.containers[0].args, ['3']);
});

test('strategic merge: service ports: merge by port', () => {
  const original = {
    spec: {
      ports: [
        { name: 'a', port: 80 },
        { name: 'b', port: 81 },
      ],
    },
  };
  const patched = applyStrategicMergePatch(schemas, schemaNames.service, original, {
    spec: { ports: [{ port: 81, targetPort: 8081 }] },
  });
  assert.deepEqual(patched['spec'].ports, [
    { name: 'a', port: 80 },
    { name: 'b', port: 81, targetPort: 8081 },
  ]);
});

test('strategic merge: errors: as they come through', () => {
  const containers = [{ name: 'x' }];
  assert.throws(
    () => patchPodSpec({ containers }, { containers: [{ image: 'nokey' }] }),
    (e: unknown) =>
      isStatusError(e) &&
      e.code === 500 &&
      e.message === 'map: map[image:nokey] does not contain declared merge key: name',
  );
  assert.deepEqual(patchPodSpec({ containers }, { containers: 'x' }).containers, 'x');
  assert.throws(() => applyStrategicMergePatch(schemas, schemaNames.deployment, {}, 'x'), /cannot unmarshal string/);
});

/** The patch kubectl would compute from one to the other, for maps and lists merged by name. */
function twoWayDiff(from: JsonObject, to: JsonObject): JsonObject {
  const patch: JsonObject = {};
  for (const key of Object.keys(from)) if (!(key in to)) patch[key] = null;
  for (const [key, value] of Object.entries(to)) {
    if (key !== 'containers' && key !== 'env') {
      patch[key] = value;
      continue;
    }
    const old: JsonObject[] = from[key] ?? [];
    patch[`$setElementOrder/${key}`] = value.map((v: JsonObject) => ({ name: v['name'] }));
    patch[key] = [
      ...value.map((v: JsonObject) => {
        const before = old.find((o) => o['name'] === v['name']);
        return before ? { ...twoWayDiff(before, v), name: v['name'] } : v;
      }),
      ...old
        .filter((o) => !value.some((v: JsonObject) => v['name'] === o['name']))
        .map((o) => ({ name: o['name'], $patch: 'delete' })),
    ];
  }
  return patch;
}

test('strategic merge: a two-way diff: turns the one into the other', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd');
  const env = fc.uniqueArray(fc.record({ name, value: fc.constantFrom('1', '2') }, { noNullPrototype: true }), {
    selector: (e) => e.name,
    maxLength: 4,
  });
  const container = fc.record(
    { name, image: fc.constantFrom('i:1', 'i:2'), args: fc.array(fc.constantFrom('x', 'y'), { maxLength: 2 }), env },
    { requiredKeys: ['name', 'env'], noNullPrototype: true },
  );
  const podSpec = fc.record(
    { containers: fc.uniqueArray(container, { selector: (c) => c.name, minLength: 1 }) },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(podSpec, podSpec, (from, to) => {
      const before = structuredClone(from);
      assert.deepEqual(patchPodSpec(from, twoWayDiff(from, to)), to);
      assert.deepEqual(from, before);
    }),
    { numRuns: 500 },
  );
});
