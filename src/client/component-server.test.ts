import assert from 'node:assert/strict';
import { get } from 'node:https';
import { type TestContext, test } from 'node:test';
import { createAuthority, issue } from '#base/certificates.ts';
import { servingCertificate } from '#base/serving-certificate.ts';
import { realClock } from '#os/real-clock.ts';
import { type ComponentServerOptions, createComponentServer } from './component-server.ts';

const pair = await servingCertificate({ name: 'test', hosts: ['127.0.0.1'], clock: realClock });

async function serve(t: TestContext, more: Partial<ComponentServerOptions> = {}) {
  const stop = new AbortController();
  const server = createComponentServer({
    bindAddress: '127.0.0.1',
    port: 0,
    ...pair,
    metrics: async () => ({ contentType: 'text/plain', body: 'up 1\n' }),
    ...more,
  });
  const running = server.run(stop.signal);
  t.after(() => {
    stop.abort();
    return running;
  });
  return server.port;
}

/** Verifies the server by its own certificate. */
function ask(port: number, path: string, client: object = {}): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, ca: pair.cert, agent: false, ...client }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode!, body }));
    }).on('error', reject);
  });
}

test('client: component server: health: ok, verbose, one check, excluded, failed', async (t) => {
  let fault: string | undefined;
  const port = await serve(t, { checks: { informers: () => fault } });
  assert.deepEqual(await ask(port, '/livez'), { status: 200, body: 'ok' });
  assert.match((await ask(port, '/readyz?verbose')).body, /\[\+\]ping ok\n\[\+\]informers ok\nreadyz check passed/);
  fault = 'not synced';
  assert.equal((await ask(port, '/healthz')).status, 500);
  assert.match((await ask(port, '/readyz/informers')).body, /\[-\]informers failed: not synced/);
  assert.equal((await ask(port, '/readyz/ping')).status, 200);
  assert.equal((await ask(port, '/readyz?exclude=informers')).status, 200);
  assert.equal((await ask(port, '/readyz/none')).status, 404);
  assert.equal((await ask(port, '/')).status, 404);
});

test('client: component server: readiness: has checks of its own, liveness does not', async (t) => {
  const port = await serve(t, { readyChecks: { informers: () => 'not synced' } });
  assert.equal((await ask(port, '/readyz')).status, 500);
  assert.equal((await ask(port, '/livez')).status, 200);
  assert.equal((await ask(port, '/healthz/informers')).status, 404);
});

test('client: component server: metrics: open to the loopback, or for certificates of the CA', async (t) => {
  const open = await serve(t);
  assert.deepEqual(await ask(open, '/metrics'), { status: 200, body: 'up 1\n' });
  const authority = await createAuthority('ca', realClock);
  const other = await createAuthority('other', realClock);
  const prometheus = { commonName: 'prometheus', usages: ['client' as const] };
  const closed = await serve(t, { clientCa: authority.cert });
  assert.equal((await ask(closed, '/metrics')).status, 403);
  assert.equal((await ask(closed, '/livez')).status, 200);
  assert.equal((await ask(closed, '/metrics', await issue(authority, prometheus, realClock))).status, 200);
  assert.equal((await ask(closed, '/metrics', await issue(other, prometheus, realClock))).status, 403);
});

test('client: component server: the port is in use: says which and what to do', async (t) => {
  const port = await serve(t);
  const second = createComponentServer({
    bindAddress: '127.0.0.1',
    port,
    ...pair,
    metrics: async () => ({ contentType: '', body: '' }),
  });
  await assert.rejects(second.run(new AbortController().signal), {
    name: 'OperatorError',
    message: `127.0.0.1:${port} is in use: choose others with --secure-port or --bind-address`,
  });
});
