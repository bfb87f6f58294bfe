import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '#storage/testing/fixtures.ts';
import { configMap, startedFor } from '../testing/fixtures.ts';

test('lister: a live copy: what is there, what comes, what goes', async (context) => {
  const t = await startedFor(context);
  const maps = '/api/v1/namespaces/default/configmaps';
  await t.h2('POST', maps, { body: configMap('a', { k: '1' }) });
  const lister = t.registry.lister('', 'configmaps');
  assert.equal(t.registry.lister('', 'configmaps'), lister, 'one for all who ask');
  const seen: string[] = [];
  lister.onChange((key, object) => seen.push(`${key} ${object?.['data']?.k ?? 'gone'}`));
  await lister.whenSynced();
  assert.equal(lister.get('default', 'a')!['data'].k, '1');
  await t.h2('PUT', `${maps}/a`, { body: configMap('a', { k: '2' }) });
  await t.h2('POST', maps.replace('default', 'other'), { body: configMap('b', { k: '3' }) });
  await t.h2('DELETE', `${maps}/a`);
  await eventually(() => seen.length === 4, 'four changes');
  assert.deepEqual(seen, ['default/a 1', 'default/a 2', 'other/b 3', 'default/a gone']);
  assert.deepEqual(lister.list('default'), []);
  assert.deepEqual(
    lister.list().map((o) => o.metadata.name),
    ['b'],
  );
});
