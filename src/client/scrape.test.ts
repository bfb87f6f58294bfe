import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { createScraper } from './scrape.ts';

async function scraperOf(t: TestContext, listener: RequestListener, clock = new FakeClock()) {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const scraper = createScraper(
    { job: 'a', instance: 'b', url: `http://127.0.0.1:${port}/metrics`, token: 'secret' },
    clock,
  );
  t.after(() => {
    scraper.close();
    server.closeAllConnections();
    server.close();
  });
  return { server, scraper, scrape: () => scraper.scrape(new AbortController().signal) };
}

test('scrape: what answers is up, with its samples, and sees our token', async (t) => {
  const { scrape } = await scraperOf(t, (req, res) => res.end(`tokens{a="${req.headers.authorization}"} 1\n`));
  assert.deepEqual(await scrape(), {
    state: 'up',
    samples: [{ name: 'tokens', labels: { a: 'Bearer secret' }, value: 1 }],
  });
});

test('scrape: who does not let us in refuses; who errs is down', async (t) => {
  let status = 403;
  const { scrape } = await scraperOf(t, (_, res) => res.writeHead(status).end());
  assert.deepEqual(await scrape(), { state: 'refused', why: 'it answers 403' });
  status = 500;
  assert.deepEqual(await scrape(), { state: 'down', why: 'it answers 500' });
});

test('scrape: a connection closed while it was idle tells nothing: another is made', async (t) => {
  let connections = 0;
  const { server, scrape } = await scraperOf(t, (_, res) => res.end('a 1\n'));
  server.on('connection', () => connections++);
  assert.equal((await scrape()).state, 'up');
  server.closeAllConnections();
  assert.equal((await scrape()).state, 'up');
  assert.equal(connections, 2);
});

test('scrape: nobody there, or silent: down', async (t) => {
  const clock = new FakeClock();
  const asked = Promise.withResolvers<void>();
  const { server, scrape } = await scraperOf(t, () => asked.resolve(), clock);
  const silent = scrape();
  await asked.promise;
  await clock.advance(5_000);
  assert.deepEqual(await silent, { state: 'down', why: 'no answer within 5 s' });
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
  assert.deepEqual(await scrape(), { state: 'down', why: 'nothing listens there' });
});
