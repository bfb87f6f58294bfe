/**
 * The HTTPS port of a component that serves no API: /healthz, /livez, /readyz (with per-check paths and ?verbose) and
 * /metrics, as the scheduler and the controller manager have it. Health is open to all, for probes. Metrics want a
 * client certificate of `clientCa`; without one they are for the loopback only.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { messageOf, OperatorError } from '#base/errors.ts';
import type { Runnable } from '#base/runnable.ts';

export interface ComponentServerOptions {
  bindAddress: string;
  /** 0: any free one, see `port`. */
  port: number;
  /** PEM. */
  cert: string;
  key: string;
  clientCa?: string;
  /** By name, `ping` aside: undefined when well, else what is wrong. */
  checks?: Record<string, () => string | undefined>;
  /** More, for /readyz alone: what a restart would not mend. */
  readyChecks?: Record<string, () => string | undefined>;
  metrics(): Promise<{ contentType: string; body: string }>;
}

export interface ComponentServer extends Runnable {
  /** The port it listens on, once it does. */
  readonly port: Promise<number>;
}

const healthPaths = new Set(['/healthz', '/livez', '/readyz']);

export function createComponentServer(options: ComponentServerOptions): ComponentServer {
  const { bindAddress, port, cert, key, clientCa } = options;
  const listening = Promise.withResolvers<number>();
  listening.promise.catch(() => {});
  return {
    name: 'component-server',
    port: listening.promise,
    async run(signal) {
      const server = createServer(
        { cert, key, ...(clientCa ? { ca: clientCa, requestCert: true, rejectUnauthorized: false } : {}) },
        (request, response) => void handle(options, request, response),
      );
      try {
        await listen(server, port, bindAddress);
      } catch (error) {
        listening.reject(error);
        throw error;
      }
      listening.resolve((server.address() as AddressInfo).port);
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function listen(server: Server, port: number, bindAddress: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const what = error.code === 'EADDRINUSE' ? 'is in use' : `cannot be listened on (${error.message})`;
      reject(new OperatorError(`${bindAddress}:${port} ${what}: choose others with --secure-port or --bind-address`));
    });
    server.listen(port, bindAddress, resolve);
  });
}

async function handle(
  options: ComponentServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'https://component');
  const path = url.pathname.replace(/(.)\/+$/, '$1');
  const slash = path.indexOf('/', 1);
  const root = slash < 0 ? path : path.slice(0, slash);
  try {
    if (request.method !== 'GET' && request.method !== 'HEAD') return reply(response, 405, 'method not allowed\n');
    if (healthPaths.has(root)) return replyHealth(options, response, root.slice(1), path.slice(root.length + 1), url);
    if (path !== '/metrics') return reply(response, 404, '404 page not found\n');
    if (!mayReadMetrics(request, options.clientCa !== undefined)) {
      return reply(response, 403, 'metrics need a client certificate signed by the --client-ca-file\n');
    }
    const { contentType, body } = await options.metrics();
    reply(response, 200, body, contentType);
  } catch (error) {
    reply(response, 500, `${messageOf(error)}\n`);
  }
}

function mayReadMetrics(request: IncomingMessage, hasClientCa: boolean): boolean {
  const socket = request.socket as TLSSocket;
  if (hasClientCa) return socket.authorized;
  return /^(127\.|::1$|::ffff:127\.)/.test(socket.remoteAddress ?? '');
}

function replyHealth(
  options: ComponentServerOptions,
  response: ServerResponse,
  endpoint: string,
  only: string,
  url: URL,
): void {
  const checks: Record<string, () => string | undefined> = {
    ping: () => undefined,
    ...options.checks,
    ...(endpoint === 'readyz' && options.readyChecks),
  };
  if (only !== '' && !Object.hasOwn(checks, only)) {
    reply(response, 404, '404 page not found\n');
    return;
  }
  const excluded = new Set(url.searchParams.getAll('exclude'));
  const lines: string[] = [];
  let isWell = true;
  for (const [name, check] of Object.entries(checks)) {
    if ((only !== '' && name !== only) || excluded.has(name)) continue;
    const fault = check();
    lines.push(fault === undefined ? `[+]${name} ok` : `[-]${name} failed: ${fault}`);
    isWell &&= fault === undefined;
  }
  if (!isWell) reply(response, 500, `${lines.join('\n')}\n${endpoint} check failed\n`);
  else reply(response, 200, url.searchParams.has('verbose') ? `${lines.join('\n')}\n${endpoint} check passed\n` : 'ok');
}

function reply(
  response: ServerResponse,
  status: number,
  body: string,
  contentType = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'content-type': contentType, 'x-content-type-options': 'nosniff' });
  response.end(body);
}
