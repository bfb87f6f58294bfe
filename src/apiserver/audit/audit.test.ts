/** What requests leave in the audit log, over HTTP. */
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { type TestContext, test } from 'node:test';
import type { Authorizer } from '../request.ts';
import { recordAudit } from '../testing/audit.ts';
import { configMap, openSession, openWatch, startedFor, type TestServerOptions, users } from '../testing/fixtures.ts';
import type { Level, Policy } from './policy.ts';

async function started(t: TestContext, policy: Level | Policy, options: TestServerOptions = {}) {
  const audit = recordAudit(typeof policy === 'string' ? { rules: [{ level: policy }] } : policy);
  const server = await startedFor(t, { auditor: audit.auditor, ...options });
  return { server, audit, events: audit.events };
}

async function until(what: string, isTrue: () => boolean): Promise<void> {
  const end = performance.now() + 10_000;
  while (!isTrue()) {
    assert.ok(performance.now() < end, `it did not come to be that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const maps = '/api/v1/namespaces/default/configmaps';
const microTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;

test('audit: Metadata: a read, from its arrival to its end', async (t) => {
  const { server, events, audit } = await started(t, 'Metadata');
  await server.h2('POST', maps, { body: configMap('a') });
  events.length = 0;
  const answer = await server.h2('GET', `${maps}/a?pretty=false`, { headers: { 'user-agent': 'test/1' } });
  assert.equal(events.length, 2);
  const [received, complete] = events;
  assert.match(received.requestReceivedTimestamp, microTime);
  assert.deepEqual(received, {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'Metadata',
    auditID: answer.headers['audit-id'],
    stage: 'RequestReceived',
    requestURI: `${maps}/a?pretty=false`,
    verb: 'get',
    user: { username: 'admin', groups: ['system:masters', 'system:authenticated'] },
    sourceIPs: ['127.0.0.1'],
    userAgent: 'test/1',
    objectRef: { resource: 'configmaps', namespace: 'default', name: 'a', apiVersion: 'v1' },
    requestReceivedTimestamp: received.requestReceivedTimestamp,
    stageTimestamp: received.requestReceivedTimestamp,
  });
  assert.match(complete.stageTimestamp, microTime);
  assert.deepEqual(complete, {
    ...received,
    stage: 'ResponseComplete',
    responseStatus: { metadata: {}, code: 200 },
    stageTimestamp: complete.stageTimestamp,
    annotations: { 'authorization.k8s.io/decision': 'allow', 'authorization.k8s.io/reason': '' },
  });
  assert.match(audit.metrics.render(), /^apiserver_audit_event_total 4\n/m);
  assert.match(audit.metrics.render(), /^apiserver_audit_level_total\{level="Metadata"\} 2\n/m);
});

test('audit: Metadata: the name and version that only the body tells', async (t) => {
  const { server, events } = await started(t, 'Metadata');
  const created = await server.h2('POST', maps, { body: configMap('a', { secret: 'x' }) });
  assert.equal(events[0].objectRef.name, undefined);
  assert.equal(events[1].objectRef.name, 'a');
  assert.equal(events[1].responseStatus.code, 201);
  const { uid, resourceVersion } = created.body.metadata;
  await server.h2('PUT', `${maps}/a`, { body: created.body });
  assert.deepEqual([events[3].objectRef.uid, events[3].objectRef.resourceVersion], [uid, resourceVersion]);
  assert.ok(!JSON.stringify(events).includes('"x"'), 'no bodies at this level');
});

test('audit: Request: bodies as they were meant, with their defaults, not answers', async (t) => {
  const { server, events } = await started(t, 'Request');
  const pod = { metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  const answer = await server.h2('POST', '/api/v1/namespaces/default/pods', { body: pod });
  assert.equal(answer.status, 201, answer.text);
  const { requestObject, responseObject } = events[1];
  assert.equal(requestObject.kind, 'Pod');
  assert.equal(requestObject.spec.restartPolicy, 'Always');
  assert.equal(requestObject.metadata.uid, undefined);
  assert.equal(responseObject, undefined);
  assert.equal(events[0].requestObject, undefined, 'not read yet');
});

test('audit: Request: patches and options', async (t) => {
  const { server, events } = await started(t, { rules: [{ level: 'Request' }], omitStages: ['RequestReceived'] });
  await server.h2('POST', maps, { body: configMap('a') });
  events.length = 0;
  const merge = { 'content-type': 'application/merge-patch+json' };
  await server.h2('PATCH', `${maps}/a`, { body: '{"data":\n{"k":"v"}}', headers: merge });
  const yaml = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: w}\n';
  const applied = await server.h2('PATCH', `${maps}/a?fieldManager=me&force=true`, {
    body: yaml,
    headers: { 'content-type': 'application/apply-patch+yaml' },
  });
  assert.equal(applied.status, 200, applied.text);
  await server.h2('DELETE', `${maps}/a`, { body: { propagationPolicy: 'Background' } });
  assert.deepEqual(
    events.map((event) => event.requestObject),
    [
      { data: { k: 'v' } },
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: { k: 'w' } },
      { kind: 'DeleteOptions', apiVersion: 'v1', propagationPolicy: 'Background' },
    ],
  );
  assert.equal(events[2].responseStatus.status, 'Success');
});

test('audit: RequestResponse: what was answered, also compressed, pretty or in YAML', async (t) => {
  const { server, events } = await started(t, {
    rules: [{ level: 'RequestResponse' }],
    omitStages: ['RequestReceived'],
  });
  const created = await server.h2('POST', maps, { body: configMap('a', { k: 'v'.repeat(200_000) }) });
  assert.deepEqual(events[0].responseObject, created.body);
  const zipped = await server.h2('GET', `${maps}/a`, { headers: { 'accept-encoding': 'gzip' } });
  assert.equal(zipped.headers['content-encoding'], 'gzip');
  await server.h2('GET', `${maps}/a?pretty=true`);
  await server.h2('GET', `${maps}/a`, { headers: { accept: 'application/yaml' } });
  for (const event of events.slice(1)) assert.deepEqual(event.responseObject, created.body);
  const missing = await server.h2('GET', `${maps}/b`);
  assert.deepEqual(events.at(-1).responseObject, missing.body);
});

test('audit: RequestResponse: managed fields are left out where the policy says so', async (t) => {
  const { server, events } = await started(t, { rules: [{ level: 'RequestResponse' }], omitManagedFields: true });
  const created = await server.h2('POST', maps, { body: configMap('a', { k: 'v' }) });
  assert.ok(created.body.metadata.managedFields.length > 0);
  await server.h2('PUT', `${maps}/a`, { body: created.body });
  const list = await server.h2('GET', maps);
  assert.ok(list.body.items[0].metadata.managedFields.length > 0);
  const table = await server.h2('GET', maps, {
    headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' },
  });
  assert.equal(table.body.kind, 'Table');
  assert.ok(!JSON.stringify(events).includes('managedFields'));
  assert.equal(events.at(-1).responseObject.kind, 'Table');
});

test('audit: RequestResponse: an answer beyond all bounds is left out, and that is said', async (t) => {
  const { server, events } = await started(t, {
    rules: [{ level: 'RequestResponse' }],
    omitStages: ['RequestReceived'],
  });
  for (const name of ['a', 'b', 'c', 'd'])
    await server.h2('POST', maps, { body: configMap(name, { k: 'v'.repeat(900_000) }) });
  const list = await server.h2('GET', maps);
  assert.equal(list.body.items.length, 4);
  assert.equal(events.at(-1).responseObject, undefined);
  assert.equal(events.at(-1).annotations['audit.k8s.io/truncated'], 'true');
});

test('audit: RequestResponse: a list that is sent as it is made, also to the client', async (t) => {
  const { server, events } = await started(t, {
    rules: [{ level: 'RequestResponse' }],
    omitStages: ['RequestReceived'],
  });
  for (const name of ['a', 'b', 'c'])
    await server.h2('POST', maps, { body: configMap(name, { k: 'v'.repeat(300_000) }) });
  const list = await server.h2('GET', maps);
  assert.equal(list.body.items.length, 3);
  assert.deepEqual(events.at(-1).responseObject, list.body);
});

test('audit: None: no event, and the request is counted', async (t) => {
  const { server, events, audit } = await started(t, {
    rules: [{ level: 'None', verbs: ['get'] }, { level: 'Metadata' }],
  });
  await server.h2('GET', `${maps}/a`);
  await server.h2('GET', '/healthz');
  assert.equal(events.length, 0);
  assert.equal(audit.metrics.levels.get('None'), 2);
});

test('audit: refusals: the Status, without its body', async (t) => {
  const { server, events } = await started(t, { rules: [{ level: 'Metadata' }], omitStages: ['RequestReceived'] });
  await server.h2('GET', `${maps}/a`);
  assert.deepEqual(events[0].responseStatus, {
    metadata: {},
    status: 'Failure',
    message: 'configmaps "a" not found',
    reason: 'NotFound',
    details: { name: 'a', kind: 'configmaps' },
    code: 404,
  });
  assert.equal(events[0].stage, 'ResponseComplete');
});

const denyAlice: Authorizer = {
  name: 'deny',
  authorize: ({ user, verb, name }) =>
    user.name !== 'alice' || (verb === 'impersonate' && name !== 'eve')
      ? { decision: 'allow', reason: 'a good one' }
      : { decision: 'no-opinion', reason: 'not alice' },
};

test('audit: 403: the decision and its reason', async (t) => {
  const { server, events } = await started(t, 'Metadata', { authorizers: [denyAlice] });
  const answer = await server.h2('GET', `${maps}/a`, { token: 'alice' });
  assert.equal(answer.status, 403);
  const complete = events.at(-1);
  assert.equal(complete.responseStatus.message, answer.body.message);
  assert.equal(complete.responseStatus.reason, 'Forbidden');
  assert.deepEqual(complete.annotations, {
    'authorization.k8s.io/decision': 'forbid',
    'authorization.k8s.io/reason': 'not alice',
  });
  await server.h2('GET', `${maps}/a`);
  assert.equal(events.at(-1).annotations['authorization.k8s.io/reason'], 'a good one');
});

test('audit: impersonation: both users; the policy looks at the first', async (t) => {
  const { server, events } = await started(
    t,
    { rules: [{ level: 'Metadata', users: ['alice'] }] },
    {
      authorizers: [denyAlice],
    },
  );
  const headers = { 'impersonate-user': 'bob', 'impersonate-extra-scopes': 'view' };
  await server.h2('GET', `${maps}/a`, { token: 'alice', headers });
  const [received, complete] = events;
  assert.equal(received.impersonatedUser, undefined);
  assert.equal(complete.user.username, 'alice');
  assert.deepEqual(complete.impersonatedUser, {
    username: 'bob',
    groups: ['system:authenticated'],
    extra: { scopes: ['view'] },
  });
  await server.h2('GET', `${maps}/a`, { token: 'alice', headers: { 'impersonate-user': 'eve' } });
  assert.equal(events.at(-1).responseStatus.code, 403);
  assert.equal(events.at(-1).impersonatedUser, undefined, 'it was not let to');
});

for (const [title, authenticate] of [
  ['nobody known', () => undefined],
  ['nobody known, found out later', async () => undefined],
] as const) {
  test(`audit: 401: one stage, no user: ${title}`, async (t) => {
    const { server, events } = await started(t, 'Metadata', { authenticators: [{ name: 'none', authenticate }] });
    const answer = await server.h2('GET', `${maps}/a`, { token: 'wrong' });
    assert.equal(answer.status, 401);
    assert.equal(events.length, 1);
    const [event] = events;
    assert.equal(event.stage, 'ResponseStarted');
    assert.deepEqual(event.user, {});
    assert.deepEqual(event.responseStatus, {
      metadata: {},
      status: 'Failure',
      message: 'Unauthorized',
      reason: 'Unauthorized',
      code: 401,
    });
  });
}

test('audit: late authentication: who is known after a while is recorded as well', async (t) => {
  const { server, audit } = await started(t, 'Metadata', {
    authenticators: [{ name: 'slow', authenticate: async () => users['admin'] }],
  });
  await server.h2('GET', `${maps}/a`);
  assert.deepEqual(audit.stages(), ['RequestReceived', 'ResponseComplete']);
});

test('audit: watch: started, and complete when it ends', async (t) => {
  const { server, audit, events } = await started(t, 'Metadata');
  await server.h2('GET', `${maps}?watch=1&timeoutSeconds=1`);
  assert.deepEqual(audit.stages(), ['RequestReceived', 'ResponseStarted', 'ResponseComplete']);
  assert.deepEqual(events[1].responseStatus, { metadata: {}, code: 200 });
  assert.equal(events[1].verb, 'watch');
});

test('audit: watch: complete when its client goes', async (t) => {
  const { server, audit } = await started(t, { rules: [{ level: 'RequestResponse' }] });
  const session = openSession(server.port);
  t.after(() => session.destroy());
  const watch = openWatch(session, `${maps}?watch=1`);
  await until('the watch has begun', () => audit.events.length === 2);
  watch.close();
  await until('it is over', () => audit.events.length === 3);
  assert.deepEqual(audit.stages(), ['RequestReceived', 'ResponseStarted', 'ResponseComplete']);
});

test('audit: watch: refused', async (t) => {
  const { server, audit, events } = await started(t, 'Metadata');
  const answer = await server.h2('GET', `${maps}?watch=1&labelSelector=%3D%3D`);
  assert.deepEqual(audit.stages(), ['RequestReceived', 'ResponseStarted', 'ResponseComplete']);
  assert.equal(answer.status, 400);
  assert.equal(events[2].responseStatus.code, 400);
});

test('audit: panic: what nobody expected has a stage of its own', async (t) => {
  const { server, audit, events } = await started(t, 'Metadata', {
    nonResourceHandlers: [() => Promise.reject(new TypeError('a bug'))],
  });
  const answer = await server.h2('GET', '/bug');
  assert.equal(answer.status, 500);
  assert.deepEqual(audit.stages(), ['RequestReceived', 'Panic']);
  assert.equal(events[1].responseStatus.message, "APIServer panic'd: a bug");
  assert.equal(events[1].objectRef, undefined);
});

test('audit: stages: those left out are not sent, by policy and by rule', async (t) => {
  const { server, audit } = await started(t, {
    omitStages: ['RequestReceived'],
    rules: [{ level: 'Metadata', verbs: ['watch'], omitStages: ['ResponseStarted'] }, { level: 'Metadata' }],
  });
  await server.h2('GET', `${maps}?watch=1&timeoutSeconds=1`);
  await server.h2('GET', maps);
  assert.deepEqual(audit.stages(), ['ResponseComplete', 'ResponseComplete']);
});

test('audit: strict: what cannot be recorded is not done', async (t) => {
  const { server, audit } = await started(t, 'Metadata');
  audit.isStored = false;
  const answer = await server.h2('POST', maps, { body: configMap('a') });
  assert.equal(answer.status, 500);
  assert.equal(answer.text, `Internal Server Error: "${maps}": failed to store audit event\n`);
  assert.equal(audit.metrics.requestsRejected, 1);
  audit.isStored = true;
  assert.equal((await server.h2('GET', `${maps}/a`)).status, 404);
});

test('audit: strict: without its first stage a request is not refused', async (t) => {
  const { server, audit } = await started(t, { rules: [{ level: 'Metadata' }], omitStages: ['RequestReceived'] });
  audit.isStored = false;
  assert.equal((await server.h2('POST', maps, { body: configMap('a') })).status, 201);
});

test('audit: a backend that takes its time: the request waits for it', async (t) => {
  const audit = recordAudit({ rules: [{ level: 'Metadata' }] });
  let release = () => {};
  const stages: string[] = [];
  const server = await startedFor(t, {
    auditor: {
      ...audit.auditor,
      process: (event) => {
        stages.push(event.stage);
        return new Promise((resolve) => {
          release = () => resolve(true);
        });
      },
    },
  });
  let isAnswered = false;
  const answer = server.h2('GET', `${maps}/a`).then((a) => {
    isAnswered = true;
    return a;
  });
  await until('it was received', () => stages.length === 1);
  release();
  await until('it is complete', () => stages.length === 2);
  assert.equal(isAnswered, false);
  release();
  assert.equal((await answer).status, 404);
});

test('audit: proxies: whom they say they speak for, then the connection’s own end', async (t) => {
  const { server, events } = await started(t, { rules: [{ level: 'Metadata' }], omitStages: ['RequestReceived'] });
  const ipsOf = async (headers: Record<string, string>) => {
    await server.h1('GET', `${maps}/a`, { headers });
    return events.at(-1).sourceIPs;
  };
  assert.deepEqual(await ipsOf({ 'x-forwarded-for': '10.0.0.1, junk,10.0.0.2' }), [
    '10.0.0.1',
    '10.0.0.2',
    '127.0.0.1',
  ]);
  assert.deepEqual(await ipsOf({ 'x-real-ip': 'fd00::1' }), ['fd00::1', '127.0.0.1']);
  assert.deepEqual(await ipsOf({ 'x-forwarded-for': '10.0.0.1', 'x-real-ip': '10.0.0.1' }), ['10.0.0.1', '127.0.0.1']);
  assert.deepEqual(await ipsOf({ 'x-forwarded-for': '127.0.0.1' }), ['127.0.0.1']);
});

test('audit: hostile: headers of any size make an event of a bounded one, on one line', async (t) => {
  const { server, events } = await started(t, 'Metadata');
  await server.h1('GET', `${maps}/a\u0085b%0A`.replace('\u0085', '%C2%85'), {
    headers: { 'user-agent': 'x'.repeat(30_000), 'x-forwarded-for': '10.0.0.1,'.repeat(5000) },
  });
  const [event] = events;
  assert.equal(event.userAgent, `${'x'.repeat(1024)}...TRUNCATED`);
  assert.equal(event.sourceIPs.length, 65);
  assert.ok(JSON.stringify(event).length < 5000);
});

test('audit: hostile: an id of the client’s is taken as it is, for the answer too', async (t) => {
  const { server, events } = await started(t, 'Metadata');
  const id = 'a"},{"kind":"Event';
  const answer = await server.h2('GET', `${maps}/a`, { headers: { 'audit-id': id } });
  assert.equal(events[0].auditID, id);
  assert.equal(answer.headers['audit-id'], id);
});

test('audit: hostile: many requests cut off half way are all complete in the log', async (t) => {
  const { server, audit } = await started(t, 'Metadata');
  const session = openSession(server.port);
  t.after(() => session.destroy());
  const count = 50;
  for (let i = 0; i < count; i++) {
    const stream = session.request(
      { ':method': 'GET', ':path': `${maps}?watch=1`, authorization: 'Bearer admin' },
      { endStream: true },
    );
    stream.on('error', () => {});
    stream.on('response', () => stream.close(http2.constants.NGHTTP2_CANCEL));
  }
  await until('all are over', () => audit.stages().filter((stage) => stage === 'ResponseComplete').length === count);
  assert.equal(audit.events.length, 3 * count);
});

test('audit: deprecated: said in the event', async (t) => {
  const { server, events } = await started(t, 'Metadata');
  await server.h2('GET', '/api/v1/namespaces/default/endpoints');
  assert.equal(events.at(-1).annotations['k8s.io/deprecated'], 'true');
});
