import assert from 'node:assert/strict';
import { createServer, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { isStatusError } from '#apimachinery/status-error.ts';
import { silentLogger } from '#base/log.ts';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { realClock } from '#os/real-clock.ts';
import { createClient } from './rest.ts';
import { eventually, pod, podsResource } from './testing/fixtures.ts';

type Handler = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, body: string) => void;

async function serve(t: TestContext, handler: Handler) {
  const server = createServer();
  const sessions = new Set<{ destroy(): void; goaway(): void }>();
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
  });
  server.on('stream', async (stream, headers) => {
    stream.on('error', () => {});
    let body = '';
    for await (const chunk of stream) body += chunk;
    handler(stream as ServerHttp2Stream, headers as IncomingHttpHeaders, body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = createClient(
    { server: url, token: 'secret' },
    { clock: realClock, log: silentLogger, userAgent: 'test' },
  );
  t.after(() => {
    client.close();
    for (const session of sessions) session.destroy();
    server.close();
  });
  return { server: server as Http2Server, sessions, client, url };
}

function answer(stream: ServerHttp2Stream, status: number, body: unknown, headers: Record<string, string> = {}): void {
  stream.respond({ ':status': status, 'content-type': 'application/json', ...headers });
  stream.end(JSON.stringify(body));
}

test('client: rest: paths, queries and bodies of the calls', async (t) => {
  const seen: string[] = [];
  const { client } = await serve(t, (stream, headers, body) => {
    seen.push(`${headers[':method']} ${headers[':path']} ${headers['content-type'] ?? ''} ${body}`.trim());
    assert.equal(headers.authorization, 'Bearer secret');
    answer(stream, 200, { kind: 'PodList', apiVersion: 'v1', metadata: {}, items: [{ metadata: { name: 'a' } }] });
  });
  const pods = client.resource(podsResource, 'default');
  await pods.get('a', { resourceVersion: '0' });
  const list = await client.resource(podsResource).list({ labelSelector: 'a=b,c', limit: 1 });
  assert.deepEqual(list.items[0], { metadata: { name: 'a' }, kind: 'Pod', apiVersion: 'v1' });
  await pods.create(pod('a', { metadata: {} }), { fieldManager: 'me' });
  await pods.patch('a', 'application/merge-patch+json', { x: 1 }, { subresource: 'status' });
  await pods.delete('a', { gracePeriodSeconds: 0 });
  await pods.subresource('POST', 'a', 'binding', { target: 'n' });
  await client.resource({ group: 'apps', version: 'v1', resource: 'deployments' }, 'x').list();
  const podText = '{"apiVersion":"v1","kind":"Pod","spec":{},"metadata":{"name":"a","namespace":"default"}}';
  assert.deepEqual(seen, [
    'GET /api/v1/namespaces/default/pods/a?resourceVersion=0',
    'GET /api/v1/pods?labelSelector=a%3Db%2Cc&limit=1',
    `POST /api/v1/namespaces/default/pods?fieldManager=me application/json ${podText}`,
    'PATCH /api/v1/namespaces/default/pods/a/status application/merge-patch+json {"x":1}',
    'DELETE /api/v1/namespaces/default/pods/a application/json {"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0}',
    'POST /api/v1/namespaces/default/pods/a/binding application/json {"target":"n"}',
    'GET /apis/apps/v1/namespaces/x/deployments',
  ]);
});

test('client: rest: refusals: Status bodies and others become StatusErrors', async (t) => {
  const { client } = await serve(t, (stream, headers) => {
    if (headers[':path']?.endsWith('/a')) {
      answer(stream, 404, { kind: 'Status', status: 'Failure', reason: 'NotFound', message: 'no a', code: 404 });
    } else {
      stream.respond({ ':status': 503 });
      stream.end('not yet');
    }
  });
  const pods = client.resource(podsResource, 'default');
  await assert.rejects(pods.get('a'), (e) => isStatusError(e, 'NotFound') && e.message === 'no a');
  await assert.rejects(pods.get('b'), (e) => isStatusError(e, 'ServiceUnavailable') && e.message === 'not yet');
});

test('client: rest: Retry-After: is waited for, then tried again', async (t) => {
  let calls = 0;
  const { client } = await serve(t, (stream) => {
    if (++calls < 3) answer(stream, 429, {}, { 'retry-after': '0' });
    else answer(stream, 200, pod('a'));
  });
  assert.equal((await client.resource(podsResource, 'default').get('a')).metadata.name, 'a');
  assert.equal(calls, 3);
});

test('client: rest: the server goes away: in-flight requests finish, new ones take another connection', async (t) => {
  const pending: ServerHttp2Stream[] = [];
  let connections = 0;
  const { client, server, sessions } = await serve(t, (stream, headers) => {
    if (headers[':path']?.endsWith('/slow')) pending.push(stream);
    else answer(stream, 200, pod('fast'));
  });
  server.on('session', () => connections++);
  const pods = client.resource(podsResource, 'default');
  const slow = pods.get('slow');
  await eventually(() => pending.length === 1, 'the slow request arrived');
  for (const session of sessions) session.goaway();
  // The notice needs a moment to arrive; requests before it still use the old connection, and none fails.
  for (let i = 0; connections < 2 && i < 1000; i++) assert.equal((await pods.get('fast')).metadata.name, 'fast');
  assert.equal(connections, 2);
  answer(pending[0]!, 200, pod('slow'));
  assert.equal((await slow).metadata.name, 'slow');
});

test('client: rest: a connection lost: a read is sent again, a write is reported', async (t) => {
  let gets = 0;
  let posts = 0;
  const { client, sessions } = await serve(t, (stream, headers) => {
    const isFirst = headers[':method'] === 'GET' ? ++gets === 1 : ++posts === 1;
    if (isFirst) for (const session of sessions) session.destroy();
    else answer(stream, 200, pod('a'));
  });
  const pods = client.resource(podsResource, 'default');
  assert.equal((await pods.get('a')).metadata.name, 'a');
  await assert.rejects(pods.create(pod('a')), { name: 'ConnectionError' });
  assert.deepEqual([gets, posts], [2, 1]);
});

test('client: rest: nobody listens: the error names the server', async () => {
  const client = createClient(
    { server: 'http://127.0.0.1:1' },
    { clock: realClock, log: silentLogger, userAgent: 'test' },
  );
  await assert.rejects(client.raw('GET', '/livez'), {
    message: /cannot connect to http:\/\/127.0.0.1:1: .*ECONNREFUSED/,
  });
  client.close();
});

test('client: rest: a watch: streams events, ends with its signal', async (t) => {
  let closed = false;
  const { client } = await serve(t, (stream) => {
    stream.respond({ ':status': 200 });
    stream.write('{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n{"type":"ADD');
    stream.write('ED","object":{"metadata":{"name":"b"}}}\n');
    stream.once('close', () => {
      closed = true;
    });
  });
  const stop = new AbortController();
  const names: string[] = [];
  for await (const event of client.resource(podsResource).watch({ resourceVersion: '1', signal: stop.signal })) {
    names.push(event.object.metadata.name!);
    if (names.length === 2) stop.abort();
  }
  assert.deepEqual(names, ['a', 'b']);
  await eventually(() => closed, 'the server saw the end');
});

test('client: rest: a frozen server: its watch fails within the ping period and time-out', async (t) => {
  const clock = new FakeClock();
  const { url } = await serve(t, (stream) => {
    stream.respond({ ':status': 200 });
    stream.write('{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n');
  });
  const between = await forwarder(t, url);
  const client = createClient({ server: between.url }, { clock, log: silentLogger, userAgent: 'test' });
  t.after(() => client.close());
  const watch = client.resource(podsResource).watch({ resourceVersion: '1' })[Symbol.asyncIterator]();
  assert.equal((await watch.next()).value.object.metadata.name, 'a');
  await clock.advance(5_000);
  between.freeze();
  const failed = assert.rejects(watch.next(), /cut off/);
  await clock.advance(12_000);
  await failed;
});

/** Passes bytes on until it is frozen: then the connection stays open and silent, as when a server is stopped. */
async function forwarder(t: TestContext, target: string): Promise<{ url: string; freeze(): void }> {
  const sockets: Socket[] = [];
  const server = createTcpServer((socket) => {
    const onward = connectTcp(Number(new URL(target).port), '127.0.0.1');
    socket.pipe(onward).pipe(socket);
    for (const s of [socket, onward]) s.on('error', () => {});
    sockets.push(socket, onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    freeze() {
      for (const socket of sockets) socket.unpipe();
    },
  };
}
