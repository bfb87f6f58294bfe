import assert from 'node:assert/strict';
import type http2 from 'node:http2';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { createAuthority, issue } from '#base/certificates.ts';
import { silentLogger } from '#base/log.ts';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { realClock } from '#os/real-clock.ts';
import { eventually } from '#storage/testing/fixtures.ts';
import type { PeerCertificate } from './request.ts';
import {
  configMap,
  openSession,
  openWatch,
  requestHttp2,
  startedFor,
  startTestServer,
  type TestServer,
} from './testing/fixtures.ts';
import { openListener } from './transport/listener.ts';

const maps = '/api/v1/namespaces/default/configmaps';
let t: TestServer;
before(async () => {
  t = await startTestServer();
});
after(() => t.stop());

for (const protocol of ['h1', 'h2'] as const) {
  test(`server: ${protocol}: create, get, list, delete over real TLS`, async () => {
    const client = t[protocol];
    const created = await client('POST', maps, { body: configMap(`${protocol}-a`, { k: 'v' }) });
    assert.equal(created.status, 201, created.text);
    assert.equal(created.headers['content-type'], 'application/json');
    assert.equal(created.headers['cache-control'], 'no-cache, private');
    assert.match(String(created.headers['audit-id']), /^[0-9a-f-]{36}$/);
    const got = await client('GET', `${maps}/${protocol}-a`);
    assert.deepEqual(got.body, created.body);
    assert.ok(got.text.endsWith('}\n'));
    const list = await client('GET', maps);
    assert.equal(list.body.kind, 'ConfigMapList');
    const item = list.body.items.find((i: { metadata: { name: string } }) => i.metadata.name === `${protocol}-a`);
    assert.equal(item.kind, undefined, 'items of typed lists carry no kind');
    assert.deepEqual(item.data, { k: 'v' });
    const gone = await client('DELETE', `${maps}/${protocol}-a`);
    assert.deepEqual(gone.body.details, { name: `${protocol}-a`, kind: 'configmaps', uid: created.body.metadata.uid });
    assert.equal((await client('GET', `${maps}/${protocol}-a`)).status, 404);
  });

  test(`server: ${protocol}: HEAD has no body`, async () => {
    const answer = await t[protocol]('HEAD', maps);
    assert.deepEqual([answer.status, answer.text], [405, '']);
  });

  test(`server: ${protocol}: a body over the limit is refused`, async (context) => {
    const small = await startedFor(context, { limits: { maxBodyBytes: 1000 } });
    const body = JSON.stringify(configMap('big', { k: 'x'.repeat(2000) }));
    const declared = await small[protocol]('POST', maps, { body, headers: { 'content-length': String(body.length) } });
    assert.deepEqual([declared.status, declared.body.reason], [413, 'RequestEntityTooLarge']);
    const undeclared = await small[protocol]('POST', maps, { body });
    assert.equal(undeclared.status, 413);
  });
}

test('server: unknown credentials: 401', async () => {
  const answer = await t.h2('GET', maps, { token: 'nobody' });
  assert.deepEqual([answer.status, answer.body.reason], [401, 'Unauthorized']);
});

test('server: a client certificate: its subject reaches the authenticators, once verified', async (context) => {
  let seen: PeerCertificate | undefined;
  const authority = await createAuthority('clients', realClock);
  const client = await issue(
    authority,
    { commonName: 'jane', organizations: ['dev', 'ops'], usages: ['client'] },
    realClock,
  );
  const own = await startedFor(context, {
    clientCa: authority.cert,
    authenticators: [
      {
        name: 'x509',
        authenticate(request) {
          seen = request.peerCertificate;
          return { name: 'x', groups: [] };
        },
      },
    ],
  });
  const session = openSession(own.port, client);
  await requestHttp2(session, 'GET', maps);
  session.destroy();
  const { expiresAtMs, ...subject } = seen!;
  assert.deepEqual(subject, { commonName: 'jane', organizations: ['dev', 'ops'] });
  assert.ok(expiresAtMs! > realClock.now());
  await own.h2('GET', maps);
  assert.equal(seen, undefined, 'without a certificate there is no peer');
});

test('server: paths nobody serves: text for unknown groups, a Status below known ones', async () => {
  const plain = await t.h2('GET', '/nosuch');
  assert.deepEqual([plain.status, plain.text], [404, '404 page not found\n']);
  assert.equal((await t.h2('GET', '/apis/no.such/v1/things')).text, '404 page not found\n');
  const status = await t.h2('GET', '/apis/apps/v1/nosuch');
  assert.equal(status.body.message, 'the server could not find the requested resource');
  assert.equal((await t.h2('GET', '/api/v1/namespaces/a/nodes')).status, 404);
});

test('server: methods that are not offered: 405', async () => {
  for (const [method, path] of [
    ['OPTIONS', maps],
    ['PUT', maps],
    ['POST', `${maps}/a`],
    ['POST', '/api/v1/configmaps'],
    ['DELETE', '/api/v1/namespaces'],
  ] as const) {
    const answer = await t.h2(method, path, method === 'OPTIONS' ? {} : { body: configMap('a') });
    assert.equal(answer.status, 405, `${method} ${path}`);
    assert.equal(answer.body.message, 'the server does not allow this method on the requested resource');
  }
});

test('server: a refused request: says who may not do what', async (context) => {
  const own = await startedFor(context, {
    authorizers: [{ name: 'none', authorize: () => ({ decision: 'no-opinion', reason: 'because' }) }],
  });
  const answer = await own.h2('GET', `${maps}/a`, { token: 'alice' });
  assert.equal(answer.status, 403);
  assert.equal(
    answer.body.message,
    'configmaps "a" is forbidden: User "alice" cannot get resource "configmaps" in API group "" in the namespace "default": because',
  );
  const path = await own.h2('GET', '/version', { token: 'alice' });
  assert.equal(path.body.message, 'forbidden: User "alice" cannot get path "/version": because');
});

test('server: impersonation: asks for the verb, then acts as the other', async (context) => {
  const asked: string[] = [];
  const own = await startedFor(context, {
    authorizers: [
      {
        name: 'log',
        authorize(a) {
          asked.push(`${a.user.name} ${a.verb} ${a.resource}/${a.subresource} ${a.namespace} ${a.name}`);
          return { decision: a.name === 'secret-group' ? 'deny' : 'allow' };
        },
      },
    ],
  });
  const headers = { 'impersonate-user': 'system:serviceaccount:ns1:sa1', 'impersonate-extra-scopes': 'view' };
  assert.equal((await own.h2('GET', maps, { headers })).status, 200);
  assert.deepEqual(asked, [
    'admin impersonate serviceaccounts/ ns1 sa1',
    'admin impersonate userextras/scopes  view',
    'system:serviceaccount:ns1:sa1 list configmaps/ default ',
  ]);
  const refused = await own.h2('GET', maps, {
    headers: { 'impersonate-user': 'bob', 'impersonate-group': 'secret-group' },
  });
  assert.equal(refused.status, 403);
  assert.match(refused.body.message, /groups "secret-group" is forbidden: User "admin" cannot impersonate/);
  const nameless = await own.h2('GET', maps, { headers: { 'impersonate-group': 'g' } });
  assert.equal(nameless.status, 400);
});

test('server: in flight: over the limit 429 with Retry-After, system:masters and watches pass', async (context) => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const own = await startedFor(context, {
    limits: { maxRequestsInflight: 1 },
    nonResourceHandlers: [
      async (request) => {
        if (request.url.pathname === '/slow') await held;
        return { status: 200, body: 'ok' };
      },
    ],
  });
  const slow = own.h2('GET', '/slow', { token: 'alice' });
  const refusals = [];
  while (refusals.length === 0) {
    const answer = await own.h2('GET', '/fast', { token: 'alice' });
    if (answer.status === 429) refusals.push(answer);
  }
  assert.equal(refusals[0]!.headers['retry-after'], '1');
  assert.equal((await own.h2('GET', '/fast')).status, 200);
  const session = openSession(own.port);
  const watch = openWatch(session, `${maps}?watch=1&timeoutSeconds=1`, { token: 'alice' });
  await watch.ended;
  session.destroy();
  release();
  assert.equal((await slow).status, 200);
});

test('server: the deadline: 504, and the handler is told', async (context) => {
  const clock = new FakeClock();
  let aborted = false;
  const own = await startedFor(context, {
    clock,
    nonResourceHandlers: [
      (request) => {
        request.signal.addEventListener('abort', () => {
          aborted = true;
        });
        return new Promise(() => {});
      },
    ],
  });
  const answer = own.h2('GET', '/never?timeout=5s');
  let status = 0;
  void answer.then((a) => {
    status = a.status;
  });
  await eventually(() => {
    clock.advance(1000);
    return status === 504;
  }, 'the deadline passes');
  assert.equal((await answer).body.reason, 'Timeout');
  assert.equal(aborted, true);
});

test('server: a handler that fails: 500 as a Status, and logged', async (context) => {
  const logged: object[] = [];
  const own = await startedFor(context, {
    log: { ...silentLogger, error: (fields) => logged.push(fields) },
    nonResourceHandlers: [
      async () => {
        throw new TypeError('oops');
      },
    ],
  });
  const answer = await own.h2('GET', '/boom');
  assert.deepEqual([answer.status, answer.body.message], [500, 'Internal error occurred: oops']);
  assert.equal(logged.length, 1);
});

test('server: gzip: large lists only, and only if the client takes it', async () => {
  const namespace = '/api/v1/namespaces/large/configmaps';
  for (let i = 0; i < 3; i++) await t.h2('POST', namespace, { body: configMap(`l${i}`, { k: 'x'.repeat(60_000) }) });
  const chunks: Buffer[] = [];
  const session = openSession(t.port);
  const stream = session.request({ ':path': namespace, authorization: 'Bearer admin', 'accept-encoding': 'gzip' });
  const headers: http2.IncomingHttpHeaders = await new Promise((resolve) => stream.on('response', resolve));
  for await (const chunk of stream) chunks.push(chunk);
  session.destroy();
  assert.equal(headers['content-encoding'], 'gzip');
  assert.equal(JSON.parse(gunzipSync(Buffer.concat(chunks)).toString()).items.length, 3);
  const plain = await t.h2('GET', namespace);
  assert.equal(plain.headers['content-encoding'], undefined);
  const small = await t.h2('GET', maps, { headers: { 'accept-encoding': 'gzip' } });
  assert.equal(small.headers['content-encoding'], undefined);
});

test('server: a port in use: one line that names it', async () => {
  await assert.rejects(
    openListener({ host: '127.0.0.1', port: t.port }, t.server.handler, { maxBodyBytes: 1, log: silentLogger }),
    /port \d+ on 127\.0\.0\.1 is in use/,
  );
});

test('server: stop: in-flight requests finish, watches end after a last bookmark, new streams are refused', async (context) => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let isHeld = false;
  const own = await startedFor(context, {
    nonResourceHandlers: [
      async () => {
        isHeld = true;
        await held;
        return { status: 200, body: 'done' };
      },
    ],
  });
  const session = openSession(own.port);
  let goaway = false;
  session.on('goaway', () => {
    goaway = true;
  });
  const watch = openWatch(session, `${maps}?watch=1&allowWatchBookmarks=true&resourceVersion=0`);
  await eventually(() => watch.events.length > 0, 'the watch has begun');
  await requestHttp2(session, 'POST', maps, { body: configMap('w') });
  await eventually(() => watch.events.some((e) => e.type === 'ADDED'), 'the event is there');
  const slow = requestHttp2(session, 'GET', '/slow');
  await eventually(() => isHeld, 'the slow request is in the handler');
  const stopped = own.server.stop(10_000);
  await watch.ended;
  assert.equal(watch.events.at(-1)!.type, 'BOOKMARK');
  release();
  assert.equal((await slow).text, 'done');
  await stopped;
  assert.equal(goaway, true);
});
