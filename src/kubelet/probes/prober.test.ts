import 'reflect-metadata'; // @peculiar/x509 asks for it
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { createServer as createTcpServer, type Server } from 'node:net';
import { type TestContext, test } from 'node:test';
import { X509CertificateGenerator } from '@peculiar/x509';
import { realClock } from '#os/real-clock.ts';
import type { Container, Probe } from '../pod.ts';
import { createProber } from './prober.ts';

const container: Container = { name: 'c' };
const look = (probe: Probe, timeoutMs = 5000, of: Container = container) =>
  createProber(realClock)(
    probe,
    { container: of, podIP: '127.0.0.1', env: { ...(process.env as object), ANSWER: 'yes' } },
    timeoutMs,
  );

async function listening(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as { port: number }).port;
}

const answer: RequestListener = (request, response) => {
  const status = Number(request.url!.slice(1)) || (request.headers['x-token'] === 'secret' ? 200 : 401);
  response.writeHead(status, status === 302 ? { location: '/500' } : {}).end('body');
};

test('kubelet: prober: http: 2xx and 3xx pass, others say their status', async (t) => {
  const port = await listening(t, createServer(answer));
  for (const status of [200, 204, 302, 399]) assert.ok((await look({ httpGet: { port, path: `/${status}` } })).ok);
  for (const status of [404, 500, 503]) {
    const expected = { ok: false, message: `HTTP probe failed with statuscode: ${status}` };
    assert.deepEqual(await look({ httpGet: { port, path: `${status}` } }), expected);
  }
});

test('kubelet: prober: http: headers, and a port by its name', async (t) => {
  const port = await listening(t, createServer(answer));
  const httpGet = { port: 'web', httpHeaders: [{ name: 'X-Token', value: 'secret' }] };
  assert.ok((await look({ httpGet }, 5000, { name: 'c', ports: [{ name: 'web', containerPort: port }] })).ok);
});

test('kubelet: prober: https: any certificate will do', async (t) => {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const cert = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=nobody',
    keys,
    signingAlgorithm: algorithm,
  });
  const exported = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const key = `-----BEGIN PRIVATE KEY-----\n${exported}\n-----END PRIVATE KEY-----\n`;
  const port = await listening(t, createSecureServer({ key, cert: cert.toString('pem') }, answer));
  assert.deepEqual(await look({ httpGet: { port, scheme: 'HTTPS', path: '/200' } }), { ok: true, message: '' });
  assert.equal((await look({ httpGet: { port, scheme: 'HTTPS', path: '/500' } })).ok, false);
});

test('kubelet: prober: tcp: open passes, closed does not', async (t) => {
  const server = createTcpServer();
  const port = await listening(t, server);
  assert.ok((await look({ tcpSocket: { port } })).ok);
  server.close();
  await once(server, 'close');
  const { ok, message } = await look({ tcpSocket: { port } });
  assert.equal(ok, false);
  assert.match(message, /ECONNREFUSED/);
});

test('kubelet: prober: exec: the exit status decides, in the container environment', async () => {
  assert.ok((await look({ exec: { command: ['sh', '-c', 'test "$ANSWER" = yes'] } })).ok);
  const failed = { ok: false, message: 'exit status 3' };
  assert.deepEqual(await look({ exec: { command: ['sh', '-c', 'exit 3'] } }), failed);
  assert.match((await look({ exec: { command: ['/no/such/program'] } })).message, /ENOENT/);
});

test('kubelet: prober: a look that takes too long has failed, and leaves nothing behind', async (t) => {
  const sockets = new Set<unknown>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket
      .resume()
      .on('error', () => {})
      .on('close', () => sockets.delete(socket));
  });
  const port = await listening(t, server);
  const { ok, message } = await look({ httpGet: { port } }, 200);
  assert.deepEqual({ ok, message }, { ok: false, message: 'probe timed out after 0.2s' });
  assert.equal((await look({ exec: { command: ['sleep', '100'] } }, 200)).message, 'probe timed out after 0.2s');
  server.close();
  await once(server, 'close');
  assert.equal(sockets.size, 0);
});
