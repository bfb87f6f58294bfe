import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, createServer, request, type Server } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { after, test } from 'node:test';
import { createAuthority, issue } from '#base/certificates.ts';
import { silentLogger } from '#base/log.ts';
import { realClock } from '#os/real-clock.ts';
import { Backend } from './backend.ts';
import { runLoadBalancer } from './load-balancer.ts';
import { Rotation } from './rotation.ts';

const ca = await createAuthority('test', realClock);
const pair = await issue(
  ca,
  { commonName: 'server', usages: ['server'], dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] },
  realClock,
);

interface FakeApiServer {
  name: string;
  port: number;
  ready: boolean;
  /** Takes requests and never answers, as a stopped process does. */
  frozen: boolean;
  close(): void;
}

async function fakeApiServer(name: string, at = 0): Promise<FakeApiServer> {
  const server: Server = createServer({ cert: pair.cert, key: pair.key }, (req, res) => {
    if (fake.frozen) return;
    if (req.url === '/readyz') res.statusCode = fake.ready ? 200 : 500;
    res.end(name);
  });
  server.listen(at, '127.0.0.1');
  await once(server, 'listening');
  const fake: FakeApiServer = {
    name,
    port: (server.address() as AddressInfo).port,
    ready: true,
    frozen: false,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
  return fake;
}

async function balancerFor(
  servers: FakeApiServer[],
  health = { intervalMs: 20, timeoutMs: 500 },
): Promise<{ port: number; stop(): Promise<void> }> {
  const stop = new AbortController();
  const port = Promise.withResolvers<number>();
  const done = runLoadBalancer(
    {
      listen: { host: '127.0.0.1', port: 0 },
      backends: servers.map((s) => ({ name: s.name, host: '127.0.0.1', port: s.port })),
      health: { path: '/readyz', rise: 1, fall: 2, ...health },
      proxy: { connectTimeoutMs: 500 },
      maxConnections: 100,
    },
    realClock,
    silentLogger,
    stop.signal,
    port.resolve,
  );
  done.catch(port.reject);
  return {
    port: await port.promise,
    stop: async () => {
      stop.abort();
      await done;
    },
  };
}

function whoAnswers(port: number, agent: Agent | false = false): Promise<string> {
  return new Promise((resolve, reject) => {
    const req = request({ host: '127.0.0.1', port, path: '/', ca: ca.cert, agent }, async (res) => {
      let text = '';
      for await (const chunk of res) text += chunk;
      resolve(text);
    });
    req.on('error', reject);
    req.end();
  });
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!(await condition())) if (Date.now() > deadline) assert.fail(`never: ${what}`);
}

test('load balancer: three healthy backends: take turns', async () => {
  const servers = await Promise.all(['a', 'b', 'c'].map((name) => fakeApiServer(name)));
  const lb = await balancerFor(servers);
  after(() => servers.forEach((s) => void s.close()));
  const answers: string[] = [];
  for (let i = 0; i < 6; i++) answers.push(await whoAnswers(lb.port));
  assert.deepEqual(answers.slice(0, 3).sort(), ['a', 'b', 'c']);
  assert.deepEqual(answers.slice(0, 3), answers.slice(3));
  await lb.stop();
});

test('load balancer: a backend that is gone: no client sees an error', async () => {
  const servers = await Promise.all(['a', 'b'].map((name) => fakeApiServer(name)));
  const lb = await balancerFor(servers);
  servers[0]!.close();
  for (let i = 0; i < 6; i++) assert.equal(await whoAnswers(lb.port), 'b');
  await lb.stop();
  servers[1]!.close();
});

test('load balancer: a backend that is not ready: gets nothing new, and comes back', async () => {
  const servers = await Promise.all(['a', 'b'].map((name) => fakeApiServer(name)));
  const lb = await balancerFor(servers);
  servers[0]!.ready = false;
  await until('only b answers', async () => (await whoAnswers(lb.port)) === 'b' && (await whoAnswers(lb.port)) === 'b');
  servers[0]!.ready = true;
  await until('a answers again', async () => (await whoAnswers(lb.port)) === 'a');
  await lb.stop();
  for (const s of servers) s.close();
});

test('load balancer: a backend that freezes: its connections are cut, the others take over', async () => {
  const servers = await Promise.all(['a', 'b'].map((name) => fakeApiServer(name)));
  const lb = await balancerFor(servers);
  await until('a answers', async () => (await whoAnswers(lb.port)) === 'a');
  servers[0]!.frozen = true;
  // Of two requests one is led to a: it ends with an error, not never.
  const [first, second] = await Promise.allSettled([whoAnswers(lb.port), whoAnswers(lb.port)]);
  const answered = [first, second].filter((r) => r.status === 'fulfilled').map((r) => r.value);
  assert.deepEqual(answered, ['b']);
  for (let i = 0; i < 4; i++) assert.equal(await whoAnswers(lb.port), 'b');
  await lb.stop();
  for (const s of servers) s.close();
});

test('load balancer: a backend whose check is late: is passed over before it has failed', async () => {
  const servers = await Promise.all(['a', 'b'].map((name) => fakeApiServer(name)));
  const lb = await balancerFor(servers, { intervalMs: 20, timeoutMs: 60_000 });
  await until('a answers', async () => (await whoAnswers(lb.port)) === 'a');
  servers[0]!.frozen = true;
  const tries: Promise<string>[] = [];
  await until('b answers each', async () => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    const batch = [whoAnswers(lb.port), whoAnswers(lb.port)];
    tries.push(...batch);
    const answers = await Promise.race([
      Promise.all(batch),
      new Promise<string[]>((resolve) => setTimeout(resolve, 200, [])),
    ]);
    return answers.length === 2 && answers.every((a) => a === 'b');
  });
  await lb.stop();
  await Promise.allSettled(tries);
  for (const s of servers) s.close();
});

test('load balancer: a backend that crashed and starts again: gets no client before it is ready', async () => {
  const [a, b] = (await Promise.all(['a', 'b'].map((name) => fakeApiServer(name)))) as [FakeApiServer, FakeApiServer];
  // The next check by the clock is far: what tells of the crash is the connection that broke.
  const lb = await balancerFor([a, b], { intervalMs: 60_000, timeoutMs: 500 });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  while ((await whoAnswers(lb.port, agent)) !== 'a') agent.destroy();
  a.close();
  for (let i = 0; i < 4; i++) assert.equal(await whoAnswers(lb.port), 'b');
  const again = await fakeApiServer('a', a.port);
  again.ready = false;
  for (let i = 0; i < 4; i++) assert.equal(await whoAnswers(lb.port), 'b');
  agent.destroy();
  await lb.stop();
  again.close();
  b.close();
});

test('load balancer: nothing is ready: still tries (panic mode)', async () => {
  const a = await fakeApiServer('a');
  const lb = await balancerFor([a]);
  a.ready = false;
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(await whoAnswers(lb.port), 'a');
  a.close();
  await lb.stop();
});

test('load balancer: no backend at all: the client is reset, not left hanging', async () => {
  const a = await fakeApiServer('a');
  a.close();
  const lb = await balancerFor([a]);
  const socket = connect(lb.port, '127.0.0.1');
  socket.write('x');
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNRESET');
  await lb.stop();
});

test('load balancer: port in use: one line with the remedy', async () => {
  const a = await fakeApiServer('a');
  await assert.rejects(
    runLoadBalancer(
      {
        listen: { host: '127.0.0.1', port: a.port },
        backends: [],
        health: { path: '/', intervalMs: 1, timeoutMs: 1, rise: 1, fall: 1 },
        proxy: { connectTimeoutMs: 1 },
        maxConnections: 1,
      },
      realClock,
      silentLogger,
      new AbortController().signal,
    ),
    /is in use: stop what listens there or choose another address with --listen/,
  );
  a.close();
});

test('backend: state: falls after misses in a row, drains at once when told, rises after successes', () => {
  const b = new Backend({ name: 'a', host: 'h', port: 1 });
  assert.equal(b.observe('silent', 2, 2), false);
  assert.equal(b.observe('ok', 2, 2), false);
  assert.equal(b.observe('silent', 2, 2), false);
  assert.equal(b.observe('silent', 2, 2), true);
  assert.equal(b.state, 'down');
  b.observe('ok', 2, 2);
  assert.equal(b.state, 'down');
  b.observe('ok', 2, 2);
  assert.equal(b.state, 'up');
  assert.equal(b.observe('not-ready', 2, 2), true);
  assert.equal(b.state, 'draining');
  assert.equal(b.observe('refused', 2, 2), true);
  assert.equal(b.state, 'down');
});

test('rotation: order: the healthy first, then the draining, then the rest', () => {
  const backends = ['a', 'b', 'c'].map((name) => new Backend({ name, host: 'h', port: 1 }));
  const rotation = new Rotation(backends);
  backends[0]!.state = 'down';
  backends[1]!.state = 'draining';
  assert.deepEqual(
    rotation.candidates().map((b) => b.address.name),
    ['c', 'b', 'a'],
  );
  assert.equal(rotation.isPanicking, false);
  backends[2]!.state = 'down';
  assert.equal(rotation.isPanicking, true);
});
