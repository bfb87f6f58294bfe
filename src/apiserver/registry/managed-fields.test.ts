import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { configMap, startTestServer, type TestServer } from '../testing/fixtures.ts';

let t: TestServer;
before(async () => {
  t = await startTestServer();
});
after(() => t.stop());

const maps = '/api/v1/namespaces/default/configmaps';
const merge = { 'content-type': 'application/merge-patch+json' };

async function managers(path: string): Promise<Record<string, unknown>> {
  const { metadata } = (await t.h2('GET', path)).body;
  return Object.fromEntries(
    (metadata.managedFields ?? []).map((e: any) => [[e.manager, e.subresource].filter(Boolean).join('/'), e.fieldsV1]),
  );
}

test('managed fields: a new object: its creator owns what it sent, and nothing of the server', async () => {
  await t.h2('POST', `${maps}?fieldManager=a`, { body: configMap('new', { k: 'v' }, { l: '1' }) });
  assert.deepEqual(await managers(`${maps}/new`), {
    a: { 'f:data': { '.': {}, 'f:k': {} }, 'f:metadata': { 'f:labels': { '.': {}, 'f:l': {} } } },
  });
});

test('managed fields: another manager: takes what it changes, and no more', async () => {
  await t.h2('POST', `${maps}?fieldManager=a`, { body: configMap('taken', { k: 'v', m: 'v' }) });
  const body = { data: { k: 'changed', n: 'new', m: 'v' } };
  await t.h2('PATCH', `${maps}/taken?fieldManager=b`, { body, headers: merge });
  assert.deepEqual(await managers(`${maps}/taken`), {
    a: { 'f:data': { '.': {}, 'f:m': {} } },
    b: { 'f:data': { 'f:k': {}, 'f:n': {} } },
  });
});

test('managed fields: a removed field: has no owner, and an owner of nothing is gone', async () => {
  await t.h2('POST', `${maps}?fieldManager=a`, { body: configMap('removed', { k: 'v' }) });
  await t.h2('PATCH', `${maps}/removed?fieldManager=b`, { body: { data: { n: '1' } }, headers: merge });
  await t.h2('PATCH', `${maps}/removed?fieldManager=a`, { body: { data: { n: null } }, headers: merge });
  assert.deepEqual(await managers(`${maps}/removed`), { a: { 'f:data': { '.': {}, 'f:k': {} } } });
});

test('managed fields: lists by key and subresources: each element and each door has its owner', async () => {
  const pods = '/api/v1/namespaces/default/pods';
  const spec = { containers: [{ name: 'c', image: 'i' }] };
  await t.h2('POST', `${pods}?fieldManager=a`, { body: { metadata: { name: 'p' }, spec } });
  const body = { status: { phase: 'Running' } };
  await t.h2('PATCH', `${pods}/p/status?fieldManager=kubelet`, { body, headers: merge });
  const all: any = await managers(`${pods}/p`);
  assert.deepEqual(all['a']['f:spec']['f:containers']['k:{"name":"c"}']['f:image'], {});
  assert.deepEqual(all['kubelet/status'], { 'f:status': { 'f:phase': {} } });
});

test('managed fields: nothing changed: nothing written', async () => {
  const first = await t.h2('POST', `${maps}?fieldManager=a`, { body: configMap('same', { k: 'v' }) });
  const again = await t.h2('PUT', `${maps}/same?fieldManager=b`, { body: configMap('same', { k: 'v' }) });
  assert.equal(again.body.metadata.resourceVersion, first.body.metadata.resourceVersion);
});
