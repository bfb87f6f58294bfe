import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { StoredObject } from '#storage/storage.ts';
import { ListBody } from './list-body.ts';

const opening = Buffer.from('{"kind":"ConfigMapList","apiVersion":"v1","metadata":{},"items":[');
const head = Buffer.from('{"kind":"ConfigMap","apiVersion":"v1",');

function entryOf(object: object): StoredObject {
  const bytes = Buffer.from(JSON.stringify(object));
  return { key: '', revision: 1, bytes, labels: undefined, fields: {}, object: () => JSON.parse(bytes.toString()) };
}

/** With the head that our codec writes, or as someone else might have ordered it. */
const entry = fc
  .record({ isOurs: fc.boolean(), name: fc.string({ maxLength: 80 }) })
  .map(({ isOurs, name }) =>
    entryOf(
      isOurs
        ? { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name } }
        : { metadata: { name }, apiVersion: 'v1', kind: 'ConfigMap' },
    ),
  );

test('list body: any entries, chunks of any size: the items without kind and apiVersion, as long as it says', () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 12 }), fc.integer({ min: 2, max: 200 }), (entries, chunkBytes) => {
      const body = new ListBody(opening, entries, head);
      const chunk = Buffer.alloc(chunkBytes);
      let text = Buffer.alloc(0);
      for (let size = body.read(chunk); size > 0; size = body.read(chunk)) {
        text = Buffer.concat([text, chunk.subarray(0, size)]);
      }
      assert.equal(text.length, body.byteLength);
      assert.deepEqual(JSON.parse(text.toString()), {
        kind: 'ConfigMapList',
        apiVersion: 'v1',
        metadata: {},
        items: entries.map((e) => ({ metadata: e.object().metadata })),
      });
      assert.ok(text.toString().endsWith(']}\n'));
    }),
  );
});
