import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../object.ts';
import { toPartialObjectMetadataList } from '../partial-metadata.ts';
import { buildTable, columnsFromFacts, parseIncludeObject } from './table.ts';

const configMap: KubeObject = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: { k: 'v' } };
const columns = columnsFromFacts([['Name', 'string', 'name', 0]], (name) => `the ${name}`);
const build = (include: 'None' | 'Metadata' | 'Object') =>
  buildTable(columns, [configMap], (o) => ({ cells: [o.metadata.name] }), { resourceVersion: '7' }, include);

test('table: shape: columns, cells, and the object asked for', () => {
  assert.deepEqual(build('Metadata'), {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: { resourceVersion: '7' },
    columnDefinitions: [{ name: 'Name', type: 'string', format: 'name', description: 'the Name', priority: 0 }],
    rows: [
      {
        cells: ['a'],
        object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: { name: 'a' } },
      },
    ],
  });
  assert.equal(build('None').rows[0]!.object, null);
  assert.equal(build('Object').rows[0]!.object, configMap);
});

test('table: includeObject: Metadata unless said otherwise', () => {
  assert.equal(parseIncludeObject(''), 'Metadata');
  assert.equal(parseIncludeObject('None'), 'None');
  assert.equal(parseIncludeObject('Everything'), undefined);
});

test('partial metadata: a list: keeps only metadata', () => {
  const list = toPartialObjectMetadataList({ metadata: { resourceVersion: '7' }, items: [configMap] });
  assert.equal(list.kind, 'PartialObjectMetadataList');
  assert.deepEqual(Object.keys(list.items[0]!), ['kind', 'apiVersion', 'metadata']);
});
