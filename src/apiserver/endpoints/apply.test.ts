import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { configMap, startTestServer, type TestServer } from '../testing/fixtures.ts';

let t: TestServer;
before(async () => {
  t = await startTestServer();
});
after(() => t.stop());

const maps = '/api/v1/namespaces/default/configmaps';
const deployments = '/apis/apps/v1/namespaces/default/deployments';
const yaml = { 'content-type': 'application/apply-patch+yaml' };
const merge = { 'content-type': 'application/merge-patch+json' };

function apply(path: string, manager: string, body: unknown, query = '') {
  return t.h2('PATCH', `${path}?fieldManager=${manager}${query}`, { body, headers: yaml });
}

function deployment(name: string, spec: object, containers: object[] = [{ name: 'c', image: 'i' }]) {
  const template = { metadata: { labels: { a: 'b' } }, spec: { containers } };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: { selector: { matchLabels: { a: 'b' } }, template, ...spec },
  };
}

const managers = (object: any) =>
  (object.metadata.managedFields ?? []).map((e: any) =>
    [e.manager, e.operation, e.subresource].filter(Boolean).join(' '),
  );

test('apply: a name that does not exist: is created, whatever resourceVersion it names', async () => {
  const body = { ...configMap('new', { k: 'v' }), metadata: { name: 'new', resourceVersion: '1' } };
  const created = await apply(`${maps}/new`, 'a', body);
  assert.deepEqual(
    [created.status, created.body.metadata.managedFields[0].fieldsV1],
    [201, { 'f:data': { 'f:k': {} } }],
  );
});

test('apply: the same again: writes nothing', async () => {
  const first = await apply(`${deployments}/same`, 'a', deployment('same', { replicas: 2 }));
  const again = await apply(`${deployments}/same`, 'a', deployment('same', { replicas: 2 }));
  assert.deepEqual([first.status, again.status], [201, 200]);
  assert.equal(again.body.metadata.resourceVersion, first.body.metadata.resourceVersion);
});

test('apply: what is left out: goes, and the server’s default comes back', async () => {
  const env = [
    { name: 'A', value: '1' },
    { name: 'B', value: '2' },
  ];
  await apply(`${deployments}/less`, 'a', deployment('less', { replicas: 3 }, [{ name: 'c', image: 'i', env }]));
  const { body } = await apply(
    `${deployments}/less`,
    'a',
    deployment('less', {}, [{ name: 'c', image: 'i', env: [env[0]] }]),
  );
  assert.deepEqual([body.spec.replicas, body.spec.template.spec.containers[0].env], [1, [env[0]]]);
  assert.equal(body.spec.template.spec.containers[0].imagePullPolicy, 'Always');
});

test('apply: a conflict: 409 with its causes, nothing written; by force it is taken', async () => {
  await apply(`${maps}/fought`, 'a', configMap('fought', { k: '1', l: '1' }));
  const refused = await apply(`${maps}/fought`, 'b', configMap('fought', { k: '2' }));
  assert.deepEqual([refused.status, refused.body.reason], [409, 'Conflict']);
  assert.deepEqual(refused.body.details, {
    causes: [{ reason: 'FieldManagerConflict', message: 'conflict with "a"', field: '.data.k' }],
  });
  assert.deepEqual((await t.h2('GET', `${maps}/fought`)).body.data, { k: '1', l: '1' });
  const forced = await apply(`${maps}/fought`, 'b', configMap('fought', { k: '2' }), '&force=true');
  assert.deepEqual(forced.body.data, { k: '2', l: '1' });
  assert.deepEqual(managers(forced.body), ['a Apply', 'b Apply']);
});

test('apply: subresources: status and scale have owners of their own', async () => {
  const path = `${deployments}/parts`;
  await apply(path, 'a', deployment('parts', { replicas: 1 }));
  const status = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'parts' },
    status: { observedGeneration: 1 },
  };
  const applied = await apply(`${path}/status`, 'st', { ...status, spec: { replicas: 9 } });
  assert.deepEqual([applied.body.status.observedGeneration, applied.body.spec.replicas], [1, 1]);
  const scale = { apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: { name: 'parts' }, spec: { replicas: 4 } };
  assert.match((await apply(`${path}/scale`, 'sc', scale)).body.message, /conflict with "a": \.spec\.replicas/);
  assert.equal((await apply(`${path}/scale`, 'sc', scale, '&force=true')).body.spec.replicas, 4);
  const { body } = await t.h2('GET', path);
  assert.deepEqual(managers(body), ['a Apply', 'sc Apply scale', 'st Apply status']);
  const ofStatus = body.metadata.managedFields.find((e: any) => e.manager === 'st');
  assert.deepEqual(ofStatus.fieldsV1, { 'f:status': { 'f:observedGeneration': {} } });
});

test('apply: another version of the kind: owners keep theirs, and fields meet across versions', async () => {
  const path = '/namespaces/default/horizontalpodautoscalers/h';
  const spec = { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' }, maxReplicas: 3 };
  const hpa = (version: string, more: object) => ({
    apiVersion: `autoscaling/${version}`,
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'h' },
    spec: { ...spec, ...more },
  });
  assert.equal((await apply(`/apis/autoscaling/v1${path}`, 'one', hpa('v1', { minReplicas: 2 }))).status, 201);
  const refused = await apply(`/apis/autoscaling/v2${path}`, 'two', hpa('v2', { minReplicas: 1 }));
  assert.match(refused.body.message, /conflict with "one": \.spec\.minReplicas/);
  assert.equal((await apply(`/apis/autoscaling/v2${path}`, 'two', hpa('v2', {}))).status, 200);
  const dropped = await apply(`/apis/autoscaling/v1${path}`, 'one', hpa('v1', {}));
  assert.equal(dropped.body.spec.minReplicas, 1);
  const { body } = await t.h2('GET', `/apis/autoscaling/v2${path}`);
  assert.deepEqual(body.metadata.managedFields.map((e: any) => [e.manager, e.apiVersion]).sort(), [
    ['one', 'autoscaling/v1'],
    ['two', 'autoscaling/v2'],
  ]);
});

test('apply: from kubectl’s client-side apply: its own fields are no conflict, and the annotation follows', async () => {
  const annotation = 'kubectl.kubernetes.io/last-applied-configuration';
  const configuration = configMap('moved', { k: '1', l: '1' });
  const annotations = { [annotation]: JSON.stringify(configuration) };
  const body = { ...configuration, metadata: { name: 'moved', annotations } };
  await t.h2('POST', `${maps}?fieldManager=kubectl-client-side-apply`, { body });
  assert.equal((await apply(`${maps}/moved`, 'other', configMap('moved', { k: '2' }))).status, 409);
  const moved = await apply(`${maps}/moved`, 'kubectl', configMap('moved', { k: '2' }));
  assert.deepEqual([moved.status, moved.body.data], [200, { k: '2', l: '1' }]);
  assert.deepEqual(JSON.parse(moved.body.metadata.annotations[annotation]).data, { k: '2' });
});

test('apply: owners nobody noted: all that was there is before-first-apply’s', async () => {
  await t.h2('POST', maps, { body: configMap('old', { k: '1' }) });
  const cleared = await t.h2('PATCH', `${maps}/old`, { body: { metadata: { managedFields: [{}] } }, headers: merge });
  assert.equal(cleared.body.metadata.managedFields, undefined);
  const updated = await t.h2('PATCH', `${maps}/old`, { body: { data: { m: '1' } }, headers: merge });
  assert.equal(updated.body.metadata.managedFields, undefined);
  const refused = await apply(`${maps}/old`, 'a', configMap('old', { k: '2' }));
  assert.match(refused.body.message, /conflict with "before-first-apply" using v1: \.data\.k/);
});

test('apply: owners as a client edits them: kept, unless no server would write them', async () => {
  await apply(`${maps}/edited`, 'a', configMap('edited', { k: '1' }));
  const none = await t.h2('PATCH', `${maps}/edited`, { body: { metadata: { managedFields: [] } }, headers: merge });
  assert.deepEqual(managers(none.body), ['a Apply']);
  const entry = { ...none.body.metadata.managedFields[0], manager: 'z' };
  const renamed = await t.h2('PATCH', `${maps}/edited`, {
    body: { metadata: { managedFields: [entry] } },
    headers: merge,
  });
  assert.deepEqual(managers(renamed.body), ['z Apply']);
  for (const odd of [{ operation: 'Wish' }, { fieldsV1: { 'f:data': null } }]) {
    const body = { metadata: { managedFields: [{ ...entry, ...odd }] } };
    const answer = await t.h2('PATCH', `${maps}/edited`, { body, headers: merge });
    assert.deepEqual([answer.status, managers(answer.body)], [200, ['z Apply']]);
  }
});

test('apply: what is refused: in upstream’s words', async () => {
  const path = `${maps}/bad`;
  const refused = async (body: unknown, query = '') => {
    const answer = await apply(path, 'a', body, query);
    return [answer.status, answer.body.message];
  };
  assert.deepEqual(await refused({ ...configMap('bad'), nosuch: 1 }), [
    500,
    'failed to create typed patch object (/bad; /v1, Kind=ConfigMap): .nosuch: field not declared in schema',
  ]);
  for (const nothing of ['', '# nothing', 'null']) {
    assert.deepEqual(await refused(nothing), [400, 'invalid object type: /, Kind=']);
  }
  assert.match((await refused('[1]'))[1], /^error decoding YAML: .* cannot unmarshal array into Go value/);
  assert.deepEqual(await refused({ apiVersion: 'v1' }), [400, 'invalid object type: /v1, Kind=']);
  assert.deepEqual(await refused({ ...configMap('bad'), metadata: { name: 'bad', managedFields: [] } }), [
    400,
    'metadata.managedFields must be nil',
  ]);
  const twice = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad}\ndata:\n  k: "1"\n  k: "2"\n';
  const sent = { body: twice, headers: yaml };
  const strict = await t.h2('PATCH', `${path}?fieldManager=a&fieldValidation=Strict`, sent);
  assert.equal(strict.status, 400);
  assert.match(strict.body.message, /^error strict decoding YAML: [\s\S]*line 6: key "k" already set in map$/);
  assert.match(
    (await t.h2('PATCH', `${path}?fieldManager=a&dryRun=All`, sent)).headers['warning'] as string,
    /already set/,
  );
  assert.equal((await t.h2('PATCH', `${path}?fieldManager=a%0Ab`, sent)).status, 422);
  assert.equal((await t.h2('GET', path)).status, 404);
});

test('apply: YAML 1.1: times stay text, of two documents the first counts', async () => {
  const body =
    'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: times\n  annotations: {at: 2020-01-01, t: 1:30}\n---\nkind: X\n';
  const { status, body: object } = await t.h2('PATCH', `${maps}/times?fieldManager=a`, { body, headers: yaml });
  assert.deepEqual([status, object.metadata.annotations], [201, { at: '2020-01-01', t: '1:30' }]);
});
