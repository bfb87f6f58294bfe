import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scheme } from '#apis/scheme.ts';
import { FakeClock } from '#base/testing/fake-clock.ts';
import type { StoredObject } from '#storage/storage.ts';
import { createServedResource, type ServedResource } from '../endpoints/served-resource.ts';
import type { Registry } from '../registry/registry.ts';
import type { ApiRequest } from '../request.ts';
import { bookmarkFrame, errorFrame, eventEncoder } from './watch-frames.ts';

const served: ServedResource = createServedResource(
  { scheme, resource: () => undefined } as unknown as Registry,
  scheme.resource('', 'v1', 'configmaps')!,
  new FakeClock(),
);
const request = { url: { searchParams: new URLSearchParams() } } as unknown as ApiRequest;
const bytes = Buffer.from('{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","resourceVersion":"7"}}');
const entry = {
  key: 'k',
  revision: 7,
  bytes,
  labels: undefined,
  fields: {},
  object: () => JSON.parse(bytes.toString()),
};

function encoder(as: '' | 'Table' | 'PartialObjectMetadata') {
  return eventEncoder(request, served, { format: 'json', as, version: 'v1' });
}

test('watch frames: an event: the bytes of the entry, in one line', () => {
  assert.equal(encoder('')('ADDED', entry).toString(), `{"type":"ADDED","object":${bytes}}\n`);
});

test('watch frames: the same event for another watcher: the same buffer', () => {
  assert.equal(encoder('')('ADDED', entry), encoder('')('ADDED', entry));
  assert.notEqual(encoder('')('ADDED', entry), encoder('')('MODIFIED', entry));
  assert.notEqual(encoder('')('ADDED', entry), encoder('')('ADDED', { ...entry } as StoredObject));
  const metadata = encoder('PartialObjectMetadata');
  assert.equal(metadata('ADDED', entry), encoder('PartialObjectMetadata')('ADDED', entry));
  assert.equal(JSON.parse(metadata('ADDED', entry).toString()).object.kind, 'PartialObjectMetadata');
});

test('watch frames: tables: columns in the first event only', () => {
  const encode = encoder('Table');
  const first = JSON.parse(encode('ADDED', entry).toString()).object;
  const second = JSON.parse(encode('MODIFIED', entry).toString()).object;
  assert.equal(first.columnDefinitions[0].name, 'Name');
  assert.equal(second.columnDefinitions, null);
  assert.equal(second.rows.length, 1);
});

test('watch frames: bookmarks and errors: typed as upstream', () => {
  assert.deepEqual(JSON.parse(bookmarkFrame(served, 9, true).toString()), {
    type: 'BOOKMARK',
    object: {
      kind: 'ConfigMap',
      apiVersion: 'v1',
      metadata: { resourceVersion: '9', annotations: { 'k8s.io/initial-events-end': 'true' } },
    },
  });
  const status = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: 'm',
    code: 410,
  } as const;
  assert.equal(JSON.parse(errorFrame(status).toString()).object.code, 410);
});
