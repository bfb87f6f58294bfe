import assert from 'node:assert/strict';
import { test } from 'node:test';
import { validateObjectMeta, validateObjectMetaUpdate } from './meta-validation.ts';
import type { ObjectMeta } from './object.ts';

const texts = (meta: ObjectMeta, rules = {}) =>
  validateObjectMeta(meta, { namespaced: true, ...rules }).map((e) => `${e.field}: ${e.message}`);
const good: ObjectMeta = { name: 'a', namespace: 'n' };
const uid = '55555555-5555-5555-5555-555555555555';

test('object metadata: good: nothing to say', () => {
  assert.deepEqual(
    texts({ ...good, labels: { 'example.com/a': 'b' }, annotations: { 'Example.com/A': 'any thing' } }),
    [],
  );
});

test('object metadata: names and namespaces: required, and of the right form', () => {
  assert.deepEqual(texts({}), [
    'metadata.name: Required value: name or generateName is required',
    'metadata.namespace: Required value',
  ]);
  assert.deepEqual(texts({ name: 'a', namespace: 'n' }, { namespaced: false }), [
    'metadata.namespace: Forbidden: not allowed on this type',
  ]);
  assert.deepEqual(texts({ name: 'a.b', namespace: 'n' }, { nameRule: 'dns-label' }), [
    'metadata.name: Invalid value: "a.b": must not contain dots',
  ]);
  assert.deepEqual(texts(good, { nameRule: (name: string) => [`no ${name}`] }), [
    'metadata.name: Invalid value: "a": no a',
  ]);
});

test('object metadata: labels and annotations: keys, values, total size', () => {
  assert.match(
    texts({ ...good, labels: { 'bad!': 'x' } })[0]!,
    /^metadata.labels: Invalid value: "bad!": name part must/,
  );
  assert.deepEqual(texts({ ...good, labels: { a: 'b'.repeat(64) } }), [
    `metadata.labels: Invalid value: "${'b'.repeat(64)}": must be no more than 63 bytes`,
  ]);
  assert.deepEqual(texts({ ...good, annotations: { a: 'é'.repeat(131_072) } }), [
    'metadata.annotations: Too long: may not be more than 262144 bytes',
  ]);
});

test('object metadata: owner references: complete, one controller, no events', () => {
  const empty = { apiVersion: '', kind: '', name: '', uid: '' };
  assert.deepEqual(texts({ ...good, ownerReferences: [empty] }), [
    'metadata.ownerReferences.apiVersion: Invalid value: "": version must not be empty',
    'metadata.ownerReferences.kind: Invalid value: "": must not be empty',
    'metadata.ownerReferences.name: Invalid value: "": must not be empty',
    'metadata.ownerReferences.uid: Invalid value: "": must not be empty',
  ]);
  const pod = (name: string) => ({ apiVersion: 'v1', kind: 'Pod', name, uid, controller: true });
  const two = [pod('a'), pod('b')];
  assert.deepEqual(texts({ ...good, ownerReferences: two }), [
    `metadata.ownerReferences: Invalid value: ${JSON.stringify(two)}: Only one reference can have Controller set to true. Found "true" in references for Pod/a and Pod/b`,
  ]);
  const event = { apiVersion: 'v1', kind: 'Event', name: 'a', uid };
  assert.deepEqual(texts({ ...good, ownerReferences: [event] }), [
    `metadata.ownerReferences: Invalid value: ${JSON.stringify(event)}: /v1, Kind=Event is disallowed from being an owner`,
  ]);
});

test('object metadata: finalizers: qualified for built-in kinds, and not contradictory', () => {
  assert.deepEqual(texts({ ...good, finalizers: ['no-slash'] }), []);
  assert.deepEqual(texts({ ...good, finalizers: ['no-slash'] }, { qualifiedFinalizers: true }), [
    'metadata.finalizers[0]: Invalid value: "no-slash": name is neither a standard finalizer name nor is it fully qualified',
  ]);
  assert.deepEqual(texts({ ...good, finalizers: ['orphan', 'foregroundDeletion'] }), [
    'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set',
  ]);
});

test('object metadata update: what the server owns: immutable', () => {
  const old: ObjectMeta = { ...good, uid, resourceVersion: '1', generation: 2 };
  const changes = (meta: ObjectMeta) => validateObjectMetaUpdate(meta, old).map((e) => `${e.field}: ${e.message}`);
  assert.deepEqual(changes({ ...old, labels: { a: 'b' } }), []);
  const other = '44444444-4444-4444-4444-444444444444';
  assert.deepEqual(changes({ ...old, uid: other }), [`metadata.uid: Invalid value: "${other}": field is immutable`]);
  assert.deepEqual(changes({ ...old, resourceVersion: '', generation: 1 }), [
    'metadata.resourceVersion: Invalid value: "": must be specified for an update',
    'metadata.generation: Invalid value: 1: must not be decremented',
  ]);
});

test('object metadata update: being deleted: no new finalizers', () => {
  const old: ObjectMeta = {
    ...good,
    resourceVersion: '1',
    deletionTimestamp: '2020-01-01T00:00:00Z',
    finalizers: ['a/b'],
  };
  assert.deepEqual(
    validateObjectMetaUpdate({ ...old, finalizers: ['a/b', 'c/d'] }, old).map((e) => e.message),
    ['Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"c/d"}'],
  );
  assert.deepEqual(validateObjectMetaUpdate({ ...old, finalizers: [] }, old), []);
});
