/**
 * The ports of the client URLs. Each speaks gRPC (HTTP/2) and plain HTTP/1.1 (/health, /version, /metrics), as etcd's
 * do: over TLS the two are told apart by ALPN, without it by HTTP/2's preface. Who may not in is turned away here,
 * before gRPC sees anything.
 */
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import type { Clock } from '#base/clock.ts';
import { OperatorError } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';

export interface ListenerTls {
  cert: Buffer;
  key: Buffer;
  /** Asks for a client certificate of this CA, and accepts none but those. */
  clientCa?: Buffer;
  /** Common names of the client certificates that are accepted; empty: all. */
  allowedCommonNames: readonly string[];
}

export interface ListenOptions {
  urls: readonly string[];
  /** The flag the URLs came from, for messages. */
  flag: string;
  tls: ListenerTls | undefined;
  /** HTTP/1.1. */
  http: RequestListener;
  /** HTTP/2; absent: HTTP/1.1 only. */
  grpc?: (socket: Socket) => void;
  clock: Clock;
  log: Logger;
}

export interface Listener {
  /** The URLs with the ports that were really opened. */
  urls: string[];
  /** Takes no more connections. */
  close(): void;
  /** Ends those that are left. */
  destroy(): void;
}

/** A connection that has not said what it is by then is closed. */
const firstBytesTimeoutMs = 10_000;

export async function listen(options: ListenOptions): Promise<Listener> {
  const sockets = new Set<Socket>();
  const http = createHttpServer(options.http);
  const servers: Server[] = [];
  const urls: string[] = [];
  const route = (socket: Socket, isHttp2: boolean) => {
    if (!isHttp2) http.emit('connection', socket);
    else if (options.grpc) options.grpc(socket);
    else socket.destroy();
  };
  const accept = (socket: Socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  };
  try {
    for (const url of options.urls) {
      const parsed = parseUrl(url, options.flag);
      const server =
        parsed.protocol === 'https:'
          ? tlsServer(required(options.tls, url), accept, route, options.log)
          : createTcpServer((socket) => {
              accept(socket);
              sniff(socket, options.clock, route);
            });
      servers.push(server);
      const port = await open(server, parsed, url, options.flag);
      urls.push(`${parsed.protocol}//${parsed.hostname}:${port}`);
    }
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
  return {
    urls,
    close() {
      for (const server of servers) server.close();
      http.closeIdleConnections();
    },
    destroy() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function parseUrl(url: string, flag: string): URL {
  const parsed = URL.parse(url);
  if (!parsed || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') || parsed.port === '') {
    // A URL drops the port that is its scheme's own.
    if (parsed && /:(80|443)\/?$/.test(url)) return parsed;
    throw new OperatorError(`${flag}: ${url} is no URL such as https://127.0.0.1:2379`);
  }
  return parsed;
}

function required(tls: ListenerTls | undefined, url: string): ListenerTls {
  if (!tls) throw new OperatorError(`${url} needs a certificate: give --cert-file and --key-file`);
  return tls;
}

function tlsServer(
  tls: ListenerTls,
  accept: (socket: Socket) => void,
  route: (socket: Socket, isHttp2: boolean) => void,
  log: Logger,
): Server {
  const server = createTlsServer({
    cert: tls.cert,
    key: tls.key,
    ...(tls.clientCa ? { ca: tls.clientCa, requestCert: true, rejectUnauthorized: true } : {}),
    ALPNProtocols: ['h2', 'http/1.1'],
    minVersion: 'TLSv1.2',
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    accept(socket);
    const name = socket.getPeerCertificate()?.subject?.CN;
    if (tls.allowedCommonNames.length > 0 && !tls.allowedCommonNames.includes(String(name))) {
      log.warn({ commonName: name, remote: socket.remoteAddress }, 'client certificate not allowed');
      socket.destroy();
      return;
    }
    route(socket, socket.alpnProtocol === 'h2');
  });
  server.on('tlsClientError', (error, socket) => {
    log.debug({ error: error.message, remote: socket.remoteAddress }, 'TLS handshake failed');
    socket.destroy();
  });
  return server;
}

/** HTTP/2 without TLS begins with `PRI * HTTP/2.0`; no method that is answered here begins so. */
function sniff(socket: Socket, clock: Clock, route: (socket: Socket, isHttp2: boolean) => void): void {
  const timer = clock.setTimer(firstBytesTimeoutMs, () => socket.destroy());
  socket.once('close', () => timer.cancel());
  socket.once('readable', () => {
    const first: Buffer | null = socket.read();
    if (!first) {
      socket.destroy();
      return;
    }
    timer.cancel();
    socket.unshift(first);
    route(socket, 'PRI'.startsWith(first.toString('latin1', 0, 3)));
  });
}

function open(server: Server, { hostname, port, protocol }: URL, url: string, flag: string): Promise<number> {
  const host = hostname.replace(/^\[|\]$/g, '');
  const wanted = port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why: Record<string, string> = {
        EADDRINUSE: `port ${wanted} on ${host} is in use: stop what listens there, or choose another with ${flag}`,
        EADDRNOTAVAIL: `${host} is no address of this machine: choose another with ${flag}`,
        EACCES: `port ${wanted} is not permitted to this user: choose another with ${flag}`,
      };
      reject(new OperatorError(why[error.code ?? ''] ?? `cannot listen on ${url}: ${error.message}`));
    });
    server.listen({ host, port: wanted }, () => resolve((server.address() as { port: number }).port));
  });
}
