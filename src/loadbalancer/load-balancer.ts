/**
 * The L4 load balancer in front of the API servers: TLS passes through untouched. It owns connections and what it
 * believes of the backends; both are lost with the process, and clients reconnect. Worst outcome of a wrong belief: a
 * connection tries one backend more.
 */
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '#base/clock.ts';
import { OperatorError } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import { Backend, type BackendAddress } from './backend.ts';
import { checkHealth, type HealthOptions } from './health.ts';
import { type ProxyOptions, proxy } from './proxy.ts';
import { Rotation } from './rotation.ts';

export interface LoadBalancerOptions {
  listen: { host: string; port: number };
  /** Plain HTTP: /healthz, /metrics, /backends. */
  admin?: { host: string; port: number };
  backends: readonly BackendAddress[];
  health: HealthOptions;
  proxy: ProxyOptions;
  /** More clients than this are refused at once. */
  maxConnections: number;
}

export async function runLoadBalancer(
  options: LoadBalancerOptions,
  clock: Clock,
  log: Logger,
  signal: AbortSignal,
  onListening?: (port: number) => void,
): Promise<void> {
  const backends = options.backends.map((address) => new Backend(address));
  const rotation = new Rotation(backends);
  const clients = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    clients.add(client);
    client.on('close', () => clients.delete(client));
    void proxy(client, rotation.candidates(), options.proxy, clock);
  });
  server.maxConnections = options.maxConnections;
  await listen(server, options.listen, '--listen');
  const address = server.address();
  onListening?.(typeof address === 'object' && address ? address.port : options.listen.port);

  const admin = options.admin && createHttpServer((req, res) => answerAdmin(req.url ?? '/', backends, rotation, res));
  if (admin) await listen(admin, options.admin!, '--admin-listen');
  log.info({ listen: options.listen, backends: options.backends.map((b) => b.name) }, 'load balancer is ready');

  await Promise.all(backends.map((b) => checkHealth(b, options.health, clock, log, signal)));

  server.close();
  admin?.close();
  for (const client of clients) client.destroy();
}

function listen(server: Server, at: { host: string; port: number }, flag: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const where = `${at.host}:${at.port}`;
      reject(
        cause.code === 'EADDRINUSE'
          ? new OperatorError(`${where} is in use: stop what listens there or choose another address with ${flag}`, {
              cause,
            })
          : new OperatorError(`cannot listen on ${where} (${cause.code}): choose another address with ${flag}`, {
              cause,
            }),
      );
    });
    server.listen(at.port, at.host, resolve);
  });
}

function answerAdmin(
  path: string,
  backends: readonly Backend[],
  rotation: Rotation,
  res: import('node:http').ServerResponse,
): void {
  const isOk = !rotation.isPanicking;
  if (path === '/healthz' || path === '/livez') return void res.end('ok');
  if (path === '/readyz') {
    res.statusCode = isOk ? 200 : 503;
    return void res.end(isOk ? 'ok' : 'no backend is up');
  }
  if (path === '/backends') {
    res.setHeader('content-type', 'application/json');
    return void res.end(
      JSON.stringify(backends.map((b) => ({ ...b.address, state: b.state, connections: b.connections.size }))),
    );
  }
  if (path === '/metrics') {
    res.setHeader('content-type', 'text/plain; version=0.0.4');
    return void res.end(metrics(backends));
  }
  res.statusCode = 404;
  res.end('not found');
}

function metrics(backends: readonly Backend[]): string {
  const family = (name: string, type: string, help: string, value: (b: Backend) => number) =>
    `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n` +
    backends.map((b) => `${name}{backend=${JSON.stringify(b.address.name)}} ${value(b)}\n`).join('');
  return (
    family('evenkeel_lb_backend_up', 'gauge', 'Whether the backend gets new connections.', (b) =>
      b.state === 'up' ? 1 : 0,
    ) +
    family('evenkeel_lb_backend_connections', 'gauge', 'Open connections.', (b) => b.connections.size) +
    family('evenkeel_lb_backend_connections_total', 'counter', 'Connections opened.', (b) => b.connectionsTotal) +
    family(
      'evenkeel_lb_backend_connect_errors_total',
      'counter',
      'Connections that could not be opened.',
      (b) => b.connectErrorsTotal,
    )
  );
}
