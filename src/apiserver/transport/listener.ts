/**
 * One port: TLS with HTTP/2 and HTTP/1.1 told apart by ALPN, or plain HTTP/1.1. Owns its connections; what a client
 * showed of itself is read once per connection.
 */
import http from 'node:http';
import http2, { type ServerHttp2Session } from 'node:http2';
import net, { type AddressInfo, type Socket } from 'node:net';
import tls, { type TLSSocket } from 'node:tls';
import { apiErrors, StatusError } from '#apimachinery/status-error.ts';
import { Bag } from '#base/bag.ts';
import type { Clock } from '#base/clock.ts';
import { messageOf, OperatorError } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { ApiResponse, Handler } from '../request.ts';
import { isLongRunning } from '../request-info.ts';
import type { ListenerOptions } from '../server.ts';
import { http1Request, respondHttp1 } from './http1-exchange.ts';
import { http2Request, respondHttp2 } from './http2-exchange.ts';
import { type Peer, peerOf } from './peer-certificate.ts';
import type { ServerRequest } from './server-request.ts';

export interface ServerListener {
  address(): { host: string; port: number };
  close(gracefulMs: number, clock: Clock): Promise<void>;
}

/** Upstream's --http2-max-streams-per-connection. */
const streamsPerConnectionMax = 250;
/** How much of a request body a client may send ahead. */
const streamWindowBytes = 256 * 1024;
/** All headers of a request together; long label selectors and tokens are among them. */
const headerBytesMax = 128 * 1024;
const http1KeepAliveMs = 90_000;
const tlsHandshakeMs = 10_000;
/** For a client whose request made no sense to read why. */
const lingerMs = 500;

/** What a client that dawdles is given before its connection is closed. */
export interface Patience {
  /** For the headers of an HTTP/1.1 request. */
  headersMs: number;
  /** For an HTTP/1.1 request as a whole. */
  requestMs: number;
  /** For an HTTP/2 connection without any stream. */
  idleMs: number;
}

const usualPatience: Patience = { headersMs: 32_000, requestMs: 300_000, idleMs: 180_000 };

export async function openListener(
  options: ListenerOptions,
  handler: Handler,
  context: { maxBodyBytes: number; log: Logger; patience?: Patience },
): Promise<ServerListener> {
  const { maxBodyBytes, log, patience = usualPatience } = context;
  const sockets = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  const inFlight = new Bag<ServerRequest>();
  let onIdle: (() => void) | undefined;

  const done = (request: ServerRequest) => {
    inFlight.delete(request);
    if (inFlight.size === 0) onIdle?.();
  };

  const webOptions = {
    keepAliveTimeout: http1KeepAliveMs,
    headersTimeout: patience.headersMs,
    requestTimeout: patience.requestMs,
    connectionsCheckingInterval: patience.headersMs / 4,
    maxHeaderSize: headerBytesMax,
  };
  const web = http.createServer(webOptions, (message, out) => {
    const request = http1Request(message, out, knownPeer(message.socket), maxBodyBytes);
    inFlight.add(request);
    out.on('close', () => done(request));
    if (onIdle) out.setHeader('connection', 'close');
    handler(request).then(
      (response) => respondHttp1(out, response),
      (error: unknown) => respondHttp1(out, failure(error, log)),
    );
  });
  web.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const status = statusOfBadRequest[error.code ?? ''] ?? '400 Bad Request';
    if (!socket.writable) return void socket.destroy();
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
    // Closed at once, with what it has sent unread, the client would see a reset and no answer.
    socket.pause();
    (socket as Socket).setTimeout(lingerMs, () => socket.destroy());
  });
  // It never listens itself, and Node starts to watch for slow requests only when a server does.
  web.emit('listening');

  const onHttp2 = (socket: TLSSocket) => {
    const session = http2.performServerHandshake(socket, {
      settings: {
        maxConcurrentStreams: streamsPerConnectionMax,
        initialWindowSize: streamWindowBytes,
        maxHeaderListSize: headerBytesMax,
      },
    });
    const peer = knownPeer(socket);
    let openStreams = 0;
    sessions.add(session);
    session.setTimeout(patience.idleMs, () => {
      if (openStreams === 0) session.close();
    });
    session.on('close', () => sessions.delete(session));
    session.on('error', (error: Error) => log.debug({ error: error.message }, 'http2 session failed'));
    session.on('stream', (stream, headers) => {
      const request = http2Request(stream, headers, peer, maxBodyBytes);
      inFlight.add(request);
      openStreams++;
      stream.on('close', () => {
        openStreams--;
        done(request);
      });
      stream.on('error', ignore);
      handler(request).then(
        (response) => respondHttp2(stream, response, request.method),
        (error: unknown) => respondHttp2(stream, failure(error, log), request.method),
      );
    });
  };

  const server = options.tls
    ? tls.createServer(
        {
          key: options.tls.key,
          cert: options.tls.cert,
          ...(options.tls.clientCa ? { ca: options.tls.clientCa } : {}),
          requestCert: options.tls.clientCa !== undefined,
          rejectUnauthorized: false,
          ALPNProtocols: ['h2', 'http/1.1'],
          minVersion: 'TLSv1.2',
          handshakeTimeout: tlsHandshakeMs,
        },
        (socket) => {
          socket.on('error', ignore);
          if (socket.alpnProtocol === 'h2') onHttp2(socket);
          else web.emit('connection', socket);
        },
      )
    : net.createServer((socket) => web.emit('connection', socket));
  server.on('connection', (socket: Socket) => {
    socket.setNoDelay(true);
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });

  await listen(server, options.host, options.port);
  return {
    address() {
      const bound = server.address() as AddressInfo;
      return { host: bound.address, port: bound.port };
    },
    async close(gracefulMs, clock) {
      server.close();
      web.close();
      // GOAWAY: streams that are open may finish, new ones go to another server.
      for (const session of sessions) session.close();
      const idle = new Promise<void>((resolve) => {
        onIdle = resolve;
        if (inFlight.size === 0) resolve();
      });
      for (const request of inFlight.snapshot()) if (isLongRunning(request.info)) request.abort(shuttingDown);
      let timer: { cancel(): void } | undefined;
      await Promise.race([
        idle,
        new Promise<void>((resolve) => {
          timer = clock.setTimer(gracefulMs, resolve);
        }),
      ]);
      timer?.cancel();
      for (const request of inFlight.snapshot()) request.abort(shuttingDown);
      for (const session of sessions) session.destroy();
      for (const socket of sockets) socket.destroy();
    },
  };
}

const shuttingDown = apiErrors.serviceUnavailable('the server is shutting down', 1);
const ignore = () => {};
const statusOfBadRequest: Record<string, string> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/** The chain answers its own failures; this is for what escapes it. */
function failure(error: unknown, log: Logger): ApiResponse {
  const status = error instanceof StatusError ? error.status : apiErrors.internal(error).status;
  if (!(error instanceof StatusError)) log.error({ error: messageOf(error) }, 'handler failed');
  return { status: status.code, headers: { 'content-type': 'application/json' }, body: `${JSON.stringify(status)}\n` };
}

const peers = new WeakMap<Socket, Peer>();

function knownPeer(socket: Socket): Peer {
  let peer = peers.get(socket);
  if (!peer) {
    peer = peerOf(socket);
    peers.set(socket, peer);
  }
  return peer;
}

function listen(server: net.Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const what =
        cause.code === 'EADDRINUSE'
          ? `port ${port} on ${host} is in use: stop what listens there or choose another with --secure-port`
          : cause.code === 'EACCES'
            ? `port ${port} on ${host} needs privileges: choose one above 1023 with --secure-port`
            : cause.code === 'EADDRNOTAVAIL'
              ? `${host} is no address of this machine: choose another with --bind-address`
              : `cannot listen on ${host}:${port}: ${cause.message}`;
      reject(new OperatorError(what, { cause }));
    });
    server.listen({ host, port, backlog: 1024 }, () => resolve());
  });
}
