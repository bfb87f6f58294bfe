import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createSecureServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { createAuthority, issue } from '#base/certificates.ts';
import { silentLogger } from '#base/log.ts';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { realClock } from '#os/real-clock.ts';
import type { ClientConfig } from './kubeconfig.ts';
import { createClient } from './rest.ts';

const ours = await createAuthority('ours', realClock);
const others = await createAuthority('others', realClock);
const names = { dnsNames: ['api.example'], ipAddresses: ['127.0.0.1'] };
const served = await issue(ours, { commonName: 'api', usages: ['server'], ...names }, realClock);
const alice = await issue(ours, { commonName: 'alice', usages: ['client'] }, realClock);
const mallory = await issue(others, { commonName: 'mallory', usages: ['client'] }, realClock);

/** Answers with the common name of the client's certificate. */
async function serve(t: TestContext): Promise<string> {
  const server = createSecureServer({ ...served, ca: ours.cert, requestCert: true, rejectUnauthorized: false });
  server.on('sessionError', () => {});
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => {});
    const socket = stream.session!.socket as TLSSocket;
    stream.respond({ ':status': 200 });
    stream.end(socket.authorized ? String(socket.getPeerCertificate().subject.CN) : 'nobody');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function ask(t: TestContext, config: ClientConfig): Promise<string> {
  const client = createClient(config, { clock: realClock, log: silentLogger, userAgent: 'test' });
  t.after(() => client.close());
  return (await client.raw('GET', '/whoami')).body;
}

test('client: TLS: the server is verified, the client shows its certificate', async (t) => {
  const server = await serve(t);
  assert.equal(await ask(t, { server, ca: ours.cert }), 'nobody');
  assert.equal(await ask(t, { server, ca: ours.cert, ...alice }), 'alice');
  assert.equal(await ask(t, { server, ca: ours.cert, ...mallory }), 'nobody');
  assert.equal(await ask(t, { server, ca: ours.cert, serverName: 'api.example' }), 'nobody');
});

test('client: TLS: a server of another authority or name: is refused, unless told otherwise', async (t) => {
  const server = await serve(t);
  await assert.rejects(ask(t, { server, ca: others.cert }), { name: 'ConnectionError', message: /cannot connect/ });
  await assert.rejects(ask(t, { server, ca: ours.cert, serverName: 'evil.example' }), { name: 'ConnectionError' });
  assert.equal(await ask(t, { server, insecureSkipVerify: true }), 'nobody');
});

test('client: requests: an aborted one leaves the shared connection to the others', async (t) => {
  const server = await serve(t);
  const client = createClient({ server, ca: ours.cert }, { clock: realClock, log: silentLogger, userAgent: 'test' });
  t.after(() => client.close());
  const stop = new AbortController();
  const first = client.raw('GET', '/', { signal: stop.signal });
  const second = client.raw('GET', '/');
  stop.abort();
  await assert.rejects(first, { name: 'AbortError' });
  assert.equal((await second).body, 'nobody');
});

test('client: connecting: the session is gone before it says that it is there: costs the request, not the process', async (t) => {
  const server = await serve(t);
  const client = createClient({ server, ca: ours.cert }, { clock: realClock, log: silentLogger, userAgent: 'test' });
  let closed = 0;
  const onSocket = (message: unknown) => {
    const { socket } = message as { socket: Socket };
    // Ours comes before the session's own listener, and so does our next tick before its 'connect'.
    const close = () => {
      closed++;
      client.close();
    };
    socket.once('secureConnect', () => process.nextTick(close));
  };
  subscribe('net.client.socket', onSocket);
  t.after(() => unsubscribe('net.client.socket', onSocket));
  await assert.rejects(client.raw('GET', '/'), { name: 'ConnectionError' });
  assert.equal(closed, 1);
});

test('client: keep-alive: a server that freezes: costs the connection, not the process', async (t) => {
  const clock = new FakeClock();
  const [process, server] = await serveInProcess(t);
  const client = createClient({ server }, { clock, log: silentLogger, userAgent: 'test', timeoutMs: 50 });
  t.after(() => client.close());
  assert.equal((await client.raw('GET', '/')).body, 'alive');
  process.kill('SIGSTOP');
  const unanswered = client.raw('GET', '/', {});
  const refused = assert.rejects(unanswered, /no answer from/);
  await clock.advance(50);
  await refused;
  // The session is given up but not closed: its peer says nothing. Pings that fall due must not throw.
  await clock.advance(60_000);
});

/** A server that can be frozen as a whole. */
async function serveInProcess(t: TestContext): Promise<[ChildProcess, string]> {
  const program = `require('node:http2').createServer().on('stream', (s) => { s.respond({ ':status': 200 }); s.end('alive'); })
    .listen(0, '127.0.0.1', function () { console.log(this.address().port); })`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const [port] = await once(child.stdout!, 'data');
  return [child, `http://127.0.0.1:${String(port).trim()}`];
}
