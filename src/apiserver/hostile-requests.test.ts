/** What someone sends who means harm: every request is answered by a Status, nothing leaks, nothing is tied up. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually } from '#storage/testing/fixtures.ts';
import { createRequestMetrics } from './metrics.ts';
import type { Authorizer } from './request.ts';
import { configMap, openSession, openWatch, startedFor, startTestServer, type TestServer } from './testing/fixtures.ts';

const maps = '/api/v1/namespaces/default/configmaps';
let t: TestServer;
before(async () => {
  t = await startTestServer();
});
after(() => t.stop());

/** As RBAC's resourceNames: alice may do everything with `ok`, by its name. */
const onlyOk: Authorizer = {
  name: 'only ok',
  authorize: ({ user, name }) => ({ decision: user.name === 'admin' || name === 'ok' ? 'allow' : 'no-opinion' }),
};

test('limited rights: one object by name: no path or selector shows another', async (context) => {
  const own = await startedFor(context, { authorizers: [onlyOk] });
  for (const name of ['hidden', 'ok']) {
    const body = { metadata: { name }, stringData: { password: name } };
    await own.h2('POST', '/api/v1/namespaces/default/secrets', { body });
  }
  const paths = [
    '/api/v1/namespaces/default/secrets?fieldSelector=metadata.name=ok',
    '/api/v1/namespaces/default/secrets?fieldSelector=metadata.name=hidden,metadata.name=ok',
    '/api/v1/namespaces/default/secrets?fieldSelector=metadata.name%3Dok&fieldSelector=metadata.name%3Dhidden',
    '/api/v1/namespaces/default/secrets?fieldSelector=metadata.name!=ok',
    '/api/v1/namespaces/default/secrets?watch=1&timeoutSeconds=1&fieldSelector=metadata.name=ok',
    '/api/v1/watch/namespaces/default/secrets/ok?timeoutSeconds=1',
    '/api/v1/watch/namespaces/default/secrets/ok?timeoutSeconds=1&fieldSelector=metadata.name=hidden',
    '/api/v1/watch/namespaces/default/secrets/ok?timeoutSeconds=1&labelSelector=!x',
    '/api/v1/watch/secrets/ok?timeoutSeconds=1&fieldSelector=metadata.namespace=default',
    '/api/v1/namespaces/default/secrets/ok?watch=1&timeoutSeconds=1',
    '/api/v1/namespaces/default/secrets/ok%2f..%2fhidden',
  ];
  const answers = await Promise.all(paths.map((path) => own.h2('GET', path, { token: 'alice' })));
  for (const [i, answer] of answers.entries()) assert.doesNotMatch(answer.text, /aGlkZGVu/, paths[i]!);
  const seen = answers[5]!.text;
  assert.equal(seen.split('"ADDED"').length - 1, 1, seen);
});

test('hostile bodies: garbage in every format is a client error', async () => {
  const post = (type: string, body: string) =>
    t.h1('POST', maps, { body, headers: { 'content-type': type, 'content-length': String(Buffer.byteLength(body)) } });
  const yaml = 'application/yaml';
  const protobuf = 'application/vnd.kubernetes.protobuf';
  const laughs = [...'bcdefghi'].map((c, i) => `${c}: &${c} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(',')}]`);
  const cases: [string, string][] = [
    ['application/json', '['.repeat(1_000_000)],
    ['application/json', `{"data":${'{"a":'.repeat(5000)}1${'}'.repeat(5001)}`],
    ['application/json', '\u0000'],
    [yaml, `a: &a [l,l,l]\n${laughs.join('\n')}`],
    [yaml, '['.repeat(5_000)],
    [yaml, '- '.repeat(5_000)],
    [yaml, 'metadata: &a {name: z, annotations: *a}'],
    [protobuf, `k8s\0${'\u007f'.repeat(100)}`],
    [protobuf, `k8s\0${'\u000b'.repeat(100_000)}`],
    [protobuf, 'k8s\0\u000a\u0030'],
  ];
  for (const [type, body] of cases) {
    const answer = await post(type, body);
    assert.deepEqual([answer.status, answer.body?.kind], [400, 'Status'], `${type} ${body.slice(0, 40)}`);
  }
});

test("hostile keys: the names every JavaScript object inherits are a client's like any other", async () => {
  const data = JSON.parse('{"__proto__":"a","constructor":"b","hasOwnProperty":"c"}');
  const created = await t.h2('POST', maps, { body: { ...configMap('inherited'), data } });
  assert.equal(created.status, 201, created.text);
  const patched = await t.h2('PATCH', `${maps}/inherited`, {
    body: '{"data":{"__proto__":"x","toString":"y"},"__proto__":{"polluted":"yes"}}',
    headers: { 'content-type': 'application/merge-patch+json' },
  });
  assert.deepEqual(Object.entries(patched.body.data).sort(), [
    ['__proto__', 'x'],
    ['constructor', 'b'],
    ['hasOwnProperty', 'c'],
    ['toString', 'y'],
  ]);
  const jsonPatch = await t.h2('PATCH', `${maps}/inherited`, {
    body: '[{"op":"add","path":"/constructor/prototype/polluted","value":"1"}]',
    headers: { 'content-type': 'application/json-patch+json' },
  });
  assert.equal(jsonPatch.status, 422, jsonPatch.text);
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  for (const path of ['/api/v1/constructor', '/apis/__proto__/v1/x', `${maps}/inherited/constructor`])
    assert.equal((await t.h2('GET', path)).status, 404, path);
});

// Each with each took 8 s.
test('hostile bodies: thousands of owners are compared in one pass', { timeout: 5_000 }, async () => {
  const ownerReferences = Array.from({ length: 15_000 }, (_, i) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    name: `p${i}`,
    uid: 'u',
  }));
  const answer = await t.h2('POST', maps, {
    body: { ...configMap('owned'), metadata: { name: 'owned', ownerReferences } },
  });
  assert.equal(answer.status, 201, answer.text.slice(0, 300));
});

test('hostile numbers: a watch that asks for ages goes on', async () => {
  const session = openSession(t.port);
  const watch = openWatch(session, `${maps}?watch=1&timeoutSeconds=99999999999999`);
  await t.h2('POST', maps, { body: configMap('for-ages') });
  await eventually(() => watch.events.some((e) => e.object.metadata.name === 'for-ages'), 'the event');
  assert.ok(!watch.isEnded());
  session.destroy();
});

test('hostile bodies: wrong in tens of thousands of places: the answer is no larger than what was sent', async () => {
  const labels = Object.fromEntries(Array.from({ length: 40_000 }, (_, i) => [`!${i}`, '!']));
  const answer = await t.h2('POST', maps, { body: { ...configMap('wrong'), metadata: { name: 'wrong', labels } } });
  assert.equal(answer.status, 422);
  assert.ok(answer.text.length < 1_000_000, String(answer.text.length));
});

test('hostile methods: whatever a client invents is one series in the metrics', async (context) => {
  const metrics = createRequestMetrics();
  const own = await startedFor(context, { metrics });
  for (const method of ['CONSTRUCTOR', 'constructor', '__proto__', 'FOO', 'BAR'])
    for (const path of ['/nowhere', maps, `${maps}/a/nosuch`]) await own.h2(method, path, { token: 'alice' });
  const lines = metrics
    .render()
    .split('\n')
    .filter((line) => /^apiserver_requests?_total/.test(line));
  const names = lines.map((line) => line.slice(0, line.lastIndexOf(' ')));
  assert.deepEqual(names, [...new Set(names)], 'a series told twice fails the whole scrape');
  assert.ok(lines.length <= 10, lines.join('\n'));
  assert.doesNotMatch(metrics.render(), /native code/);
});
