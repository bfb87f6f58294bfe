/** Each verb's rules, through the whole server. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually } from '#storage/testing/fixtures.ts';
import {
  type Answer,
  configMap,
  openSession,
  openWatch,
  startTestServer,
  type TestServer,
} from '../testing/fixtures.ts';

let t: TestServer;
before(async () => {
  t = await startTestServer();
});
after(() => t.stop());

let count = 0;
/** A collection of its own for each test. */
const fresh = () => `/api/v1/namespaces/ns-${++count}/configmaps`;
const merge = { 'content-type': 'application/merge-patch+json' };

async function made(collection: string, body: unknown = configMap('a', { k: 'v' })): Promise<Answer> {
  const answer = await t.h2('POST', collection, { body });
  assert.equal(answer.status, 201, answer.text);
  return answer;
}

function assertStatus(answer: Answer, code: number, message: string | RegExp): void {
  assert.equal(answer.status, code, answer.text);
  assert.equal(answer.body.kind, 'Status');
  if (typeof message === 'string') assert.equal(answer.body.message, message);
  else assert.match(answer.body.message, message);
}

test('create: system fields: set by the server alone', async () => {
  const collection = fresh();
  const { body } = await made(collection, {
    ...configMap('a'),
    metadata: {
      name: 'a',
      uid: 'mine',
      creationTimestamp: '2001-01-01T00:00:00Z',
      deletionTimestamp: '2001-01-01T00:00:00Z',
    },
  });
  assert.notEqual(body.metadata.uid, 'mine');
  assert.doesNotMatch(body.metadata.creationTimestamp, /^2001/);
  assert.equal(body.metadata.deletionTimestamp, undefined);
  assertStatus(await t.h2('POST', collection, { body: configMap('a') }), 409, 'configmaps "a" already exists');
});

test('create: generateName: five characters more, another name each time', async () => {
  const collection = fresh();
  const names = new Set<string>();
  for (let i = 0; i < 5; i++) {
    const { body } = await made(collection, { metadata: { generateName: 'gen-' } });
    assert.match(body.metadata.name, /^gen-[a-z0-9]{5}$/);
    names.add(body.metadata.name);
  }
  assert.equal(names.size, 5);
});

test('create: refused: wrong kind, wrong namespace, unknown fields when strict, a resourceVersion', async () => {
  const collection = fresh();
  const post = (body: unknown, query = '') => t.h2('POST', `${collection}${query}`, { body });
  assertStatus(
    await post({ kind: 'Secret', apiVersion: 'v1' }),
    400,
    /^Secret in version "v1" cannot be handled as a ConfigMap/,
  );
  assertStatus(
    await post({ metadata: { name: 'a', namespace: 'other' } }),
    400,
    'the namespace of the provided object does not match the namespace sent on the request',
  );
  assertStatus(
    await post({ ...configMap('a'), nosuch: 1 }, '?fieldValidation=Strict'),
    400,
    /strict decoding error: unknown field "nosuch"/,
  );
  const warned = await post({ ...configMap('w'), nosuch: 1 });
  assert.equal(warned.headers['warning'], '299 - "unknown field \\"nosuch\\""');
  assertStatus(
    await post({ metadata: { name: 'a', resourceVersion: '3' } }),
    500,
    /should not be set on objects to be created/,
  );
  assertStatus(await post({ metadata: { name: 'Bad_Name' } }), 422, /a lowercase RFC 1123 subdomain/);
});

test('create: dry run: answers as if, and keeps nothing', async () => {
  const collection = fresh();
  const dry = await t.h2('POST', `${collection}?dryRun=All`, { body: configMap('a') });
  assert.equal(dry.status, 201);
  assert.ok(dry.body.metadata.uid);
  assert.equal((await t.h2('GET', `${collection}/a`)).status, 404);
  assertStatus(
    await t.h2('POST', `${collection}?dryRun=Some`, { body: configMap('a') }),
    422,
    /supported values: "All"/,
  );
});

test('update: resourceVersion: stale is a conflict, absent is unconditional, nothing changed is nothing written', async () => {
  const collection = fresh();
  const first = (await made(collection)).body;
  const put = (body: unknown) => t.h2('PUT', `${collection}/a`, { body });
  const second = await put(configMap('a', { k: 'v2' }));
  assert.equal(second.body.metadata.uid, first.metadata.uid);
  assert.notEqual(second.body.metadata.resourceVersion, first.metadata.resourceVersion);
  assertStatus(
    await put(first),
    409,
    'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
  );
  const same = await put(configMap('a', { k: 'v2' }));
  assert.equal(same.body.metadata.resourceVersion, second.body.metadata.resourceVersion);
  assertStatus(await put(configMap('b')), 400, 'the name of the object (b) does not match the name on the URL (a)');
  assertStatus(await t.h2('PUT', `${collection}/zz`, { body: configMap('zz') }), 404, 'configmaps "zz" not found');
});

test('update: a Lease: is created by PUT', async () => {
  const path = '/apis/coordination.k8s.io/v1/namespaces/default/leases/l';
  const answer = await t.h2('PUT', path, { body: { metadata: { name: 'l' }, spec: { holderIdentity: 'x' } } });
  assert.equal(answer.status, 201, answer.text);
});

test('patch: json, merge, strategic: each by its own rules', async () => {
  const collection = fresh();
  await made(collection, configMap('a', { k: 'v', gone: 'x' }));
  const patch = (type: string, body: unknown) =>
    t.h2('PATCH', `${collection}/a`, { body, headers: { 'content-type': `application/${type}+json` } });
  assert.deepEqual((await patch('merge-patch', { data: { gone: null, n: '1' } })).body.data, { k: 'v', n: '1' });
  assert.deepEqual((await patch('json-patch', [{ op: 'remove', path: '/data/n' }])).body.data, { k: 'v' });
  const strategic = await patch('strategic-merge-patch', { metadata: { finalizers: ['example.com/x'] } });
  assert.deepEqual(strategic.body.metadata.finalizers, ['example.com/x']);
  assertStatus(await patch('nosuch', {}), 415, '415: Unsupported Media Type');
  assertStatus(await patch('merge-patch', { data: { k: 1 } }), 422, /cannot unmarshal number into Go struct field/);
  assert.equal((await t.h2('PATCH', `${collection}/zz`, { body: {}, headers: merge })).status, 404);
});

test('patch: many at once: every one is kept', async () => {
  const collection = fresh();
  await made(collection);
  const patches = Array.from({ length: 5 }, (_, i) =>
    t.h2('PATCH', `${collection}/a`, { body: { data: { [`k${i}`]: 'x' } }, headers: merge }),
  );
  for (const answer of await Promise.all(patches)) assert.equal(answer.status, 200, answer.text);
  assert.equal(Object.keys((await t.h2('GET', `${collection}/a`)).body.data).length, 6);
});

test('patch: apply: creates, and drops what it no longer names', async () => {
  const collection = fresh();
  const apply = (body: unknown, query = '?fieldManager=me') =>
    t.h2('PATCH', `${collection}/a${query}`, { body, headers: { 'content-type': 'application/apply-patch+yaml' } });
  assert.equal((await apply(configMap('a', { k: '1' }))).status, 201);
  const second = await apply(configMap('a', { l: '2' }));
  assert.deepEqual([second.status, second.body.data], [200, { l: '2' }]);
  assertStatus(await apply(configMap('a'), ''), 422, /fieldManager: Required value: is required for apply patch/);
});

test('delete: finalizers: only marked, and gone with the last of them', async () => {
  const collection = fresh();
  await made(collection, { metadata: { name: 'a', finalizers: ['example.com/x'] } });
  const marked = await t.h2('DELETE', `${collection}/a`);
  assert.equal(marked.body.kind, 'ConfigMap');
  assert.equal(marked.body.metadata.deletionGracePeriodSeconds, 0);
  const again = await t.h2('DELETE', `${collection}/a`);
  assert.equal(again.body.metadata.resourceVersion, marked.body.metadata.resourceVersion);
  const adding = { metadata: { finalizers: ['example.com/x', 'example.com/y'] } };
  assertStatus(
    await t.h2('PATCH', `${collection}/a`, { body: adding, headers: merge }),
    422,
    /no new finalizers can be added/,
  );
  const freed = await t.h2('PATCH', `${collection}/a`, { body: { metadata: { finalizers: null } }, headers: merge });
  assert.deepEqual([freed.status, freed.body.metadata.finalizers], [200, undefined]);
  assert.equal((await t.h2('GET', `${collection}/a`)).status, 404);
});

test('delete: options: preconditions, propagation, refusals', async () => {
  const collection = fresh();
  const { body } = await made(collection);
  const remove = (options: object) => t.h2('DELETE', `${collection}/a`, { body: options });
  assertStatus(
    await remove({ preconditions: { uid: 'other' } }),
    409,
    /the UID in the precondition \(other\) does not match/,
  );
  assertStatus(await remove({ propagationPolicy: 'Sideways' }), 422, /Unsupported value: "Sideways"/);
  assertStatus(await remove({ propagationPolicy: 'Orphan', orphanDependents: true }), 422, /cannot be both set/);
  assertStatus(await remove({ kind: 'Pod', apiVersion: 'v1' }), 400, /no kind "Pod" is registered/);
  const dry = await remove({ dryRun: ['All'] });
  assert.equal(dry.body.status, 'Success');
  const foreground = await remove({ propagationPolicy: 'Foreground', preconditions: { uid: body.metadata.uid } });
  assert.deepEqual(foreground.body.metadata.finalizers, ['foregroundDeletion']);
});

test('delete: a pod: waits for its node, may be hurried, never delayed', async () => {
  const pods = '/api/v1/namespaces/default/pods';
  const spec = { containers: [{ name: 'c', image: 'i' }], nodeName: 'n', terminationGracePeriodSeconds: 20 };
  await made(pods, { metadata: { name: 'p' }, spec });
  const grace = async (query: string) =>
    (await t.h2('DELETE', `${pods}/p${query}`)).body.metadata?.deletionGracePeriodSeconds;
  assert.equal(await grace(''), 20);
  assert.equal(await grace('?gracePeriodSeconds=5'), 5);
  assert.equal(await grace('?gracePeriodSeconds=50'), 5);
  assert.equal((await t.h2('GET', `${pods}/p`)).body.metadata.generation, 2);
  assert.equal(await grace('?gracePeriodSeconds=0'), 0);
  assert.equal((await t.h2('GET', `${pods}/p`)).status, 404);
});

test('delete: a namespace: Terminating until it is finalized', async () => {
  const path = '/api/v1/namespaces/doomed';
  await made('/api/v1/namespaces', { metadata: { name: 'doomed' }, spec: { finalizers: ['kubernetes'] } });
  const marked = await t.h2('DELETE', path);
  assert.equal(marked.body.status.phase, 'Terminating');
  assert.equal(marked.body.metadata.deletionGracePeriodSeconds, undefined);
  const done = await t.h2('PUT', `${path}/finalize`, {
    body: { metadata: { name: 'doomed' }, spec: { finalizers: [] } },
  });
  assert.equal(done.status, 200, done.text);
  assert.equal((await t.h2('GET', path)).status, 404);
});

test('deletecollection: by selector: answers with what it removed', async () => {
  const collection = fresh();
  await made(collection, configMap('a', {}, { s: 'x' }));
  await made(collection, configMap('b', {}, { s: 'y' }));
  const answer = await t.h2('DELETE', `${collection}?labelSelector=s%3Dx`);
  assert.deepEqual(
    answer.body.items.map((i: any) => i.metadata.name),
    ['a'],
  );
  assert.deepEqual(
    (await t.h2('GET', collection)).body.items.map((i: any) => i.metadata.name),
    ['b'],
  );
});

test('list: pages: one snapshot, with what remains', async () => {
  const collection = fresh();
  for (const name of ['a', 'b', 'c']) await made(collection, configMap(name));
  const first = await t.h2('GET', `${collection}?limit=2`);
  assert.equal(first.body.metadata.remainingItemCount, 1);
  await made(collection, configMap('bb'));
  const second = await t.h2('GET', `${collection}?limit=2&continue=${first.body.metadata.continue}`);
  assert.deepEqual(
    second.body.items.map((i: any) => i.metadata.name),
    ['c'],
  );
  assert.equal(second.body.metadata.resourceVersion, first.body.metadata.resourceVersion);
});

test('list: bad options: the words of upstream', async () => {
  const collection = fresh();
  const list = (query: string) => t.h2('GET', `${collection}?${query}`);
  assertStatus(
    await list('resourceVersion=abc'),
    400,
    /^invalid resource version: resourceVersion: Invalid value: "abc"/,
  );
  assertStatus(await list('limit=x'), 400, 'strconv.ParseInt: parsing "x": invalid syntax');
  assertStatus(await list('fieldSelector=data.k%3D1'), 400, /"data.k" is not a known field selector/);
  assertStatus(await list('labelSelector=a+b'), 400, /^unable to parse requirement/);
  assertStatus(await list('resourceVersionMatch=Exact'), 422, /forbidden unless resourceVersion is provided/);
  assertStatus(await list('sendInitialEvents=true'), 422, /sendInitialEvents is forbidden for list/);
});

test('content: tables, metadata, yaml, pretty; 406 and 415', async () => {
  const collection = fresh();
  await made(collection, configMap('a', { k: '<b>' }));
  const get = (accept: string, path = `${collection}/a`) => t.h2('GET', path, { headers: { accept } });
  const table = await get('application/json;as=Table;v=v1;g=meta.k8s.io', collection);
  assert.equal(table.body.kind, 'Table');
  assert.equal(table.body.rows[0].object.kind, 'PartialObjectMetadata');
  const metadata = await get('application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io');
  assert.deepEqual(Object.keys(metadata.body), ['kind', 'apiVersion', 'metadata']);
  const yaml = await get('application/yaml');
  assert.equal(yaml.headers['content-type'], 'application/yaml');
  assert.match(yaml.text, /^apiVersion: v1\ndata:\n {2}k: <b>\nkind: ConfigMap\n/);
  assert.match((await t.h2('GET', `${collection}/a?pretty=true`)).text, /^\{\n {2}"kind": "ConfigMap",\n/);
  assert.equal((await get('application/vnd.kubernetes.protobuf,application/json')).body.kind, 'ConfigMap');
  assertStatus(await get('text/html'), 406, /^406: Not Acceptable/);
  const text = { body: 'x', headers: { 'content-type': 'text/plain' } };
  assertStatus(await t.h2('POST', collection, text), 415, /^the body of the request was in an unknown format/);
  const sent = await t.h2('POST', collection, {
    body: 'metadata:\n  name: from-yaml\ndata:\n  k: "1"\n',
    headers: { 'content-type': 'application/yaml' },
  });
  assert.deepEqual([sent.status, sent.body.data], [201, { k: '1' }]);
});

test('watch: events: framed one a line, in every form, resumable', async () => {
  const collection = fresh();
  const { body } = await made(collection);
  const session = openSession(t.port);
  const from = `watch=1&resourceVersion=${body.metadata.resourceVersion}`;
  const plain = openWatch(session, `${collection}?${from}`);
  const again = openWatch(session, `${collection}?${from}`);
  const table = openWatch(session, `${collection}?${from}`, {
    headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' },
  });
  const selected = openWatch(session, `${collection}?${from}&labelSelector=l%3D1`);
  await made(collection, configMap('b', {}, { l: '1' }));
  await t.h2('PATCH', `${collection}/b`, { body: { metadata: { labels: null } }, headers: merge });
  await t.h2('DELETE', `${collection}/b`);
  await eventually(() => [plain, again, table].every((w) => w.events.length === 3), 'three events each');
  assert.deepEqual(
    plain.events.map((e) => e.type),
    ['ADDED', 'MODIFIED', 'DELETED'],
  );
  assert.deepEqual(again.events, plain.events);
  assert.equal(plain.events[0]!.object.kind, 'ConfigMap');
  assert.ok(Array.isArray(table.events[0]!.object['columnDefinitions']));
  assert.equal(table.events[1]!.object['columnDefinitions'], null);
  await eventually(() => selected.events.length === 2, 'leaving the selection is a deletion');
  assert.deepEqual(
    selected.events.map((e) => e.type),
    ['ADDED', 'DELETED'],
  );
  session.destroy();
});

test('watch: the initial state: ends with an annotated bookmark; the time over, with the stream', async () => {
  const collection = fresh();
  await made(collection);
  const session = openSession(t.port);
  const query =
    'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1';
  const watch = openWatch(session, `${collection}?${query}`);
  await watch.ended;
  assert.deepEqual(
    watch.events.slice(0, 2).map((e) => e.type),
    ['ADDED', 'BOOKMARK'],
  );
  assert.deepEqual(watch.events[1]!.object.metadata.annotations, { 'k8s.io/initial-events-end': 'true' });
  session.destroy();
  assertStatus(
    await t.h2('GET', `${collection}?watch=1&sendInitialEvents=true`),
    422,
    /requires setting resourceVersionMatch/,
  );
});

test('scale: get, put, patch: replicas of the object behind it', async () => {
  const deployments = '/apis/apps/v1/namespaces/default/deployments';
  const template = { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  await made(deployments, {
    metadata: { name: 'd' },
    spec: { replicas: 2, selector: { matchLabels: { app: 'a' } }, template },
  });
  const scale = await t.h2('GET', `${deployments}/d/scale`);
  assert.deepEqual(
    [scale.body.kind, scale.body.spec, scale.body.status],
    ['Scale', { replicas: 2 }, { replicas: 0, selector: 'app=a' }],
  );
  const body = { metadata: { name: 'd' }, spec: { replicas: 3 } };
  assert.equal((await t.h2('PUT', `${deployments}/d/scale`, { body })).body.spec.replicas, 3);
  await t.h2('PATCH', `${deployments}/d/scale`, { body: { spec: { replicas: 4 } }, headers: merge });
  assert.equal((await t.h2('GET', `${deployments}/d`)).body.spec.replicas, 4);
  const negative = { body: { spec: { replicas: -1 } }, headers: merge };
  assertStatus(await t.h2('PATCH', `${deployments}/d/scale`, negative), 422, /must be greater than or equal to 0/);
});

test('status: taken alone by its subresource, and by nothing else', async () => {
  const nodes = '/api/v1/nodes';
  await made(nodes, { metadata: { name: 'n1' }, spec: { podCIDR: '10.0.0.0/24' } });
  const ready = { conditions: [{ type: 'Ready', status: 'True' }] };
  const direct = await t.h2('PATCH', `${nodes}/n1`, { body: { status: ready }, headers: merge });
  assert.equal(direct.body.status?.conditions, undefined);
  const body = { status: ready, spec: { unschedulable: true } };
  const status = await t.h2('PATCH', `${nodes}/n1/status`, { body, headers: merge });
  assert.equal(status.body.status.conditions[0].status, 'True');
  assert.equal(status.body.spec.unschedulable, undefined);
});

test('binding: a pod is bound once', async () => {
  const pods = '/api/v1/namespaces/default/pods';
  await made(pods, { metadata: { name: 'bound' }, spec: { containers: [{ name: 'c', image: 'i' }] } });
  const bind = (node: string) =>
    t.h2('POST', `${pods}/bound/binding`, {
      body: { metadata: { name: 'bound' }, target: { kind: 'Node', name: node } },
    });
  const first = await bind('n1');
  assert.deepEqual([first.status, first.body.status], [201, 'Success']);
  const pod = (await t.h2('GET', `${pods}/bound`)).body;
  assert.equal(pod.spec.nodeName, 'n1');
  assert.equal(pod.status.conditions.find((c: any) => c.type === 'PodScheduled').status, 'True');
  assertStatus(
    await bind('n2'),
    409,
    'Operation cannot be fulfilled on pods/binding "bound": pod bound is already assigned to node "n1"',
  );
});

test('watch: a state larger than any buffer: reaches a client that takes its time, whole', async () => {
  const collection = fresh();
  const large = 'x'.repeat(500_000);
  for (let i = 0; i < 12; i++) await made(collection, configMap(`large-${i}`, { large }));
  const session = openSession(t.port);
  const stream = session.request({
    ':path': `${collection}?watch=1&resourceVersion=0&timeoutSeconds=3`,
    authorization: 'Bearer admin',
  });
  await new Promise((resolve) => stream.on('response', resolve));
  stream.setEncoding('utf8');
  let events = 0;
  for await (const chunk of stream) {
    events += (chunk as string).split('"type":"ADDED"').length - 1;
    await new Promise((resolve) => setImmediate(resolve));
    if (events === 12) break;
  }
  assert.equal(events, 12);
  session.destroy();
});
