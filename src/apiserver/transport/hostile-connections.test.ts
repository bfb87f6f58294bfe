/** Connections of clients that dawdle, send without end, or show papers that are not theirs. */
import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import type { ClientHttp2Session } from 'node:http2';
import { type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { createAuthority, issue } from '#base/certificates.ts';
import type { Clock } from '#base/clock.ts';
import { silentLogger } from '#base/log.ts';
import { realClock } from '#os/real-clock.ts';
import { createAuthenticator } from '../authentication/authenticator.ts';
import type { Handler } from '../request.ts';
import { openSession, requestHttp2, servingPair, startedFor } from '../testing/fixtures.ts';
import { openListener, type Patience } from './listener.ts';

const maxBodyBytes = 64 * 1024;
const readsBody: Handler = async (request) => ({ status: 200, body: String((await request.readBody()).length) });
const refuses: Handler = async () => ({ status: 403, body: 'no' });

async function listening(context: TestContext, handler: Handler, patience?: Partial<Patience>): Promise<number> {
  const all: Patience = { headersMs: 60_000, requestMs: 60_000, idleMs: 60_000, ...patience };
  const options = { host: '127.0.0.1', port: 0, tls: servingPair };
  const listener = await openListener(options, handler, { maxBodyBytes, log: silentLogger, patience: all });
  context.after(() => listener.close(0, realClock));
  return listener.address().port;
}

/** What the server said until it closed the connection. */
function untilClosed(port: number, ...sent: string[]): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
    socket.on('secureConnect', () => {
      for (const part of sent) socket.write(part);
    });
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(text));
  });
}

/** The status of a request whose body never ends, once the server has closed its stream. */
function endlessUpload(session: ClientHttp2Session, chunk: Buffer): Promise<number> {
  return new Promise((resolve) => {
    let status = 0;
    const stream = session.request({ ':method': 'POST', ':path': '/x' }, { endStream: false });
    stream.on('response', (headers: IncomingHttpHeaders) => {
      status = Number(headers[':status']);
    });
    stream.resume();
    stream.on('error', () => {});
    stream.on('close', () => resolve(status));
    const send = () => {
      if (!stream.closed && !stream.destroyed) stream.write(chunk, () => setImmediate(send));
    };
    send();
  });
}

test('connections: headers that never end: closed in time', { timeout: 10_000 }, async (context) => {
  const port = await listening(context, refuses, { headersMs: 100 });
  assert.match(await untilClosed(port, 'GET / HTTP/1.1\r\nHost: a\r\n'), /^HTTP\/1\.1 408 /);
  assert.match(await untilClosed(port), /^(HTTP\/1\.1 408 |$)/);
});

test('connections: a body that never comes: closed in time', { timeout: 10_000 }, async (context) => {
  const port = await listening(context, readsBody, { headersMs: 100, requestMs: 200 });
  const text = await untilClosed(port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{');
  assert.match(text, /^HTTP\/1\.1 408 /);
});

test('connections: headers without measure: 431', { timeout: 10_000 }, async (context) => {
  const port = await listening(context, refuses);
  const long = 'a'.repeat(100_000);
  const text = await untilClosed(port, `GET / HTTP/1.1\r\nHost: a\r\nX-A: ${long}\r\n`, `X-B: ${long}\r\n\r\n`);
  assert.match(text, /^HTTP\/1\.1 431 /);
});

test('connections: a long label selector is no attack', async (context) => {
  const server = await startedFor(context);
  const selector = encodeURIComponent(`a in (${Array.from({ length: 4000 }, (_, i) => `v${i}`).join(',')})`);
  for (const client of [server.h1, server.h2])
    assert.equal((await client('GET', `/api/v1/pods?labelSelector=${selector}`)).status, 200);
});

test('connections: HTTP/2: an upload without end is stopped once it is answered', {
  timeout: 10_000,
}, async (context) => {
  const chunk = Buffer.alloc(16 * 1024, 0x20);
  for (const [handler, status] of [
    [refuses, 403],
    [readsBody, 0],
  ] as const) {
    const session = openSession(await listening(context, handler));
    context.after(() => session.destroy());
    const seen = await endlessUpload(session, chunk);
    // The listener alone answers 413 for what its handler threw.
    assert.equal(seen, status || 413);
  }
});

test('connections: HTTP/2: one that asks nothing is closed, one that waits for an answer is not', {
  timeout: 10_000,
}, async (context) => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const port = await listening(
    context,
    async () => {
      await held;
      return { status: 200, body: 'done' };
    },
    { idleMs: 50 },
  );
  const [busy, idle] = [openSession(port), openSession(port)];
  const answer = requestHttp2(busy, 'GET', '/x');
  await new Promise((resolve) => idle.once('close', resolve));
  assert.equal(busy.closed, false);
  release();
  assert.equal((await answer).text, 'done');
  busy.destroy();
});

test('connections: a certificate that is not to be believed is nobody, not even anonymous', async (context) => {
  const longAgo: Clock = { ...realClock, now: () => Date.now() - 800 * 86_400_000 };
  const [clients, others] = [
    await createAuthority('clients', longAgo),
    await createAuthority('front proxy', realClock),
  ];
  const server = await startedFor(context, {
    clientCa: clients.cert,
    authenticators: [
      createAuthenticator({
        tokenAuthenticators: [
          {
            name: 'good',
            authenticateToken: (token) =>
              token === 'good' ? { user: { name: 'g', groups: [] }, audiences: [] } : undefined,
          },
        ],
        apiAudiences: [],
        anonymous: true,
      }),
    ],
  });
  const request = { commonName: 'admin', organizations: ['system:masters'], usages: ['client' as const] };
  const papers = {
    'of another authority': await issue(others, request, realClock),
    expired: await issue(clients, request, longAgo),
    "a server's": await issue(clients, { ...request, usages: ['server'] }, realClock),
    believed: await issue(clients, request, realClock),
    none: undefined,
  };
  const statuses: Record<string, number> = {};
  for (const [what, pair] of Object.entries(papers)) {
    const session = openSession(server.port, pair);
    context.after(() => session.destroy());
    const path = '/api/v1/namespaces/default/configmaps';
    const answer = await requestHttp2(session, 'GET', path, { headers: { authorization: '' } });
    statuses[what] = answer.status;
    if (what === 'expired')
      assert.equal(
        (await requestHttp2(session, 'GET', path, { token: 'good' })).status,
        200,
        'a good token still counts',
      );
  }
  assert.deepEqual(statuses, {
    'of another authority': 401,
    expired: 401,
    "a server's": 401,
    believed: 200,
    none: 200,
  });
});

test('connections: HTTP/2: large lists that nobody reads are not copied for each', {
  timeout: 20_000,
}, async (context) => {
  const parts = Array.from({ length: 20_000 }, () => Buffer.alloc(1_000, 0x20));
  let asked = 0;
  const port = await listening(context, async () => {
    asked++;
    return { status: 200, body: parts };
  });
  const session = openSession(port);
  context.after(() => session.destroy());
  await new Promise((resolve) => session.once('remoteSettings', resolve));
  const before = process.memoryUsage().arrayBuffers;
  const streams = Array.from({ length: 30 }, () => session.request({ ':path': '/x' }));
  while (asked < streams.length) await new Promise((resolve) => setTimeout(resolve, 5));
  const grown = process.memoryUsage().arrayBuffers - before;
  assert.ok(grown < 100 * 1024 * 1024, `${grown} bytes for ${streams.length} lists of 20 MB`);
  // Who does read gets all of it.
  let length = 0;
  for await (const chunk of streams[0]!) length += (chunk as Buffer).length;
  assert.equal(length, 20_000_000);
});
