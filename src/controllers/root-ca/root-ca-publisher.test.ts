import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resources } from '../resources.ts';
import { bench, namespace } from '../testing/fixtures.ts';
import { rootCaPublisher } from './root-ca-publisher.ts';

const maps = resources.configmaps;
const key = 'n/kube-root-ca.crt';
const merge = 'application/merge-patch+json';

test('root CA: every namespace gets it; changed or deleted, it is put right', async () => {
  const b = await bench([rootCaPublisher], {
    rootCaPem: 'the CA',
    prepare: (client) => client.resource(resources.namespaces).create(namespace('n')),
  });
  const data = () => b.get(maps, key)!['data'];
  assert.deepEqual(data(), { 'ca.crt': 'the CA' });
  assert.match(b.get(maps, key)!.metadata.annotations!['kubernetes.io/description']!, /CA bundle/);
  await b.of(maps, 'n').patch('kube-root-ca.crt', merge, { data: { 'ca.crt': 'forged', more: 'x' } });
  await b.pass();
  assert.deepEqual(data(), { 'ca.crt': 'the CA' });
  await b
    .of(maps, 'n')
    .patch('kube-root-ca.crt', merge, { metadata: { annotations: { 'kubernetes.io/description': null, mine: 'x' } } });
  await b.pass();
  assert.deepEqual(Object.keys(b.get(maps, key)!.metadata.annotations!).sort(), ['kubernetes.io/description', 'mine']);
  await b.of(maps, 'n').delete('kube-root-ca.crt');
  await b.pass();
  assert.deepEqual(data(), { 'ca.crt': 'the CA' });
  b.client.actions.length = 0;
  await b.pass(10 * 60_000);
  assert.deepEqual(b.client.actions, []);
  await b.stop();
});

test('root CA: a namespace that is going away, or no CA to publish: nothing', async () => {
  const b = await bench([rootCaPublisher], { rootCaPem: 'the CA' });
  await b.of(resources.namespaces, '').create(namespace('n'));
  await b.pass();
  await b.of(resources.namespaces, '').delete('n');
  await b.of(maps, 'n').delete('kube-root-ca.crt');
  await b.pass();
  assert.deepEqual(b.list(maps), []);
  await b.stop();

  const without = await bench([rootCaPublisher]);
  await without.of(resources.namespaces, '').create(namespace('n'));
  await without.pass();
  assert.deepEqual(without.list(maps), []);
  await without.stop();
});

test('root CA: a new CA: published over the old one', async () => {
  const b = await bench([rootCaPublisher], {
    rootCaPem: 'new',
    prepare: async (client) => {
      await client.resource(resources.namespaces).create(namespace('n'));
      const old = {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'kube-root-ca.crt' },
        data: { 'ca.crt': 'old' },
      };
      await client.resource(maps, 'n').create(old);
    },
  });
  assert.deepEqual(b.get(maps, key)!['data'], { 'ca.crt': 'new' });
  await b.stop();
});
