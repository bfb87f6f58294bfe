/** What clients are told, over HTTP, when the store refuses: of states it has compacted, and when it is full. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { FakeEtcd } from '#storage/testing/fake-etcd.ts';
import { eventually } from '#storage/testing/fixtures.ts';
import { type Answer, configMap, openSession, openWatch, startedFor } from '../testing/fixtures.ts';

const maps = '/api/v1/namespaces/default/configmaps';
const namesOf = (answer: Answer): string[] => answer.body.items.map((i: any) => i.metadata.name);

/** A page given by one server, then compacted; and another server that has only seen what came after. */
async function compacted(context: TestContext) {
  const etcd = new FakeEtcd();
  const first = await startedFor(context, { etcd });
  for (const name of ['a', 'b', 'c', 'd']) await first.h2('POST', maps, { body: configMap(name) });
  const page = await first.h2('GET', `${maps}?limit=2`);
  await first.h2('DELETE', `${maps}/b`);
  await first.h2('DELETE', `${maps}/c`);
  const last = await first.h2('POST', maps, { body: configMap('bb') });
  const revision = Number(last.body.metadata.resourceVersion);
  await etcd.compact(revision);
  const server = await startedFor(context, { etcd });
  await server.h2('GET', maps);
  return { etcd, server, page, token: page.body.metadata.continue as string, revision };
}

test('list: a page whose snapshot is compacted: 410 with a token that continues inconsistently, as upstream', async (t) => {
  const { server, token, revision } = await compacted(t);
  const gone = await server.h2('GET', `${maps}?limit=2&continue=${token}`);
  assert.equal(gone.status, 410);
  const { metadata, ...status } = gone.body;
  assert.deepEqual(status, {
    kind: 'Status',
    apiVersion: 'v1',
    status: 'Failure',
    message:
      'The provided continue parameter is too old to display a consistent list result. You can start a new list ' +
      'without the continue parameter, or use the continue token in this response to retrieve the remainder of the ' +
      'results. Continuing with the provided token results in an inconsistent list - objects that were created, ' +
      'modified, or deleted between the time the first chunk was returned and now may show up in the list.',
    reason: 'Expired',
    code: 410,
  });
  assert.deepEqual(Object.keys(metadata), ['continue']);
  assert.deepEqual(JSON.parse(Buffer.from(metadata.continue, 'base64url').toString()), {
    v: 'meta.k8s.io/v1',
    rv: -1,
    start: 'b\0',
  });
  const rest = await server.h2('GET', `${maps}?limit=1&continue=${metadata.continue}`);
  assert.deepEqual([namesOf(rest), rest.body.metadata.remainingItemCount], [['bb'], 1]);
  assert.ok(Number(rest.body.metadata.resourceVersion) >= revision);
  // From here on it is a consistent list again, of the state the rest began with.
  await server.h2('DELETE', `${maps}/d`);
  const end = await server.h2('GET', `${maps}?continue=${rest.body.metadata.continue}`);
  assert.deepEqual([namesOf(end), end.body.metadata.resourceVersion], [['d'], rest.body.metadata.resourceVersion]);
});

test('list: at an exact revision that is compacted: 410, and no token, for there is nothing to continue', async (t) => {
  const { server, page } = await compacted(t);
  const version = page.body.metadata.resourceVersion;
  for (const query of [`resourceVersion=${version}&resourceVersionMatch=Exact`, `resourceVersion=${version}&limit=1`]) {
    const gone = await server.h2('GET', `${maps}?${query}`);
    assert.equal(gone.status, 410);
    assert.deepEqual(gone.body, {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: 'The resourceVersion for the provided list is too old.',
      reason: 'Expired',
      code: 410,
    });
  }
  const notOlder = await server.h2('GET', `${maps}?resourceVersion=${version}&resourceVersionMatch=NotOlderThan`);
  assert.deepEqual(namesOf(notOlder), ['a', 'bb', 'd']);
});

test('watch: from a revision that is compacted: one ERROR event with a 410 Status, then the end', async (t) => {
  const { server, page } = await compacted(t);
  const session = openSession(server.port);
  t.after(() => session.destroy());
  const watch = openWatch(session, `${maps}?watch=1&resourceVersion=${page.body.metadata.resourceVersion}`);
  await watch.ended;
  assert.equal(watch.events.length, 1);
  const { message, ...status } = watch.events[0]!.object as any;
  assert.match(message, /^too old resource version: \d+ \(\d+\)$/);
  assert.deepEqual(
    { type: watch.events[0]!.type, status },
    {
      type: 'ERROR',
      status: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason: 'Expired', code: 410 },
    },
  );
});

test('watch: compacted away while the server was cut off: live watches go on with the difference', async (t) => {
  const { etcd, server } = await compacted(t);
  const session = openSession(server.port);
  t.after(() => session.destroy());
  const watch = openWatch(session, `${maps}?watch=1`);
  await eventually(() => watch.events.length === 3, 'the state');
  etcd.goDown();
  etcd.delete('/registry/configmaps/default/d');
  await etcd.compact(etcd.revision);
  etcd.comeUp();
  await eventually(() => watch.events.length === 4, 'the difference');
  assert.deepEqual([watch.events[3]!.type, watch.events[3]!.object.metadata.name], ['DELETED', 'd']);
  assert.equal(watch.isEnded(), false);
});

test('a full store: writes are refused with 507 and without Retry-After, so that no client waits for it', async (t) => {
  const { etcd, server } = await compacted(t);
  etcd.alarms.add('NOSPACE');
  const refused = await server.h2('POST', maps, { body: configMap('x') });
  assert.deepEqual([refused.status, refused.headers['retry-after']], [507, undefined]);
  const { message, ...status } = refused.body;
  assert.match(message, /database space exceeded/);
  assert.deepEqual(status, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    reason: 'InsufficientStorage',
    code: 507,
  });
  assert.equal((await server.h2('DELETE', `${maps}/d`)).status, 200);
  etcd.alarms.clear();
  assert.equal((await server.h2('POST', maps, { body: configMap('x') })).status, 201);
});
