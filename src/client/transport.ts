/**
 * HTTP/2 to one URL, behind which a load balancer may stand. One session carries all requests; when it is gone,
 * going away (GOAWAY) or silent, the next request opens another, which the balancer may lead to another server.
 *
 * What may be sent twice: a request the server says it never processed (REFUSED_STREAM), and a read whose connection
 * was lost before the answer began. A write whose connection was lost is reported to the caller: only they know how
 * to find out what became of it.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import type { Clock, Timer } from '#base/clock.ts';
import { messageOf } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { ClientConfig } from './kubeconfig.ts';

/** A silent peer is asked this often, and given up when it does not answer: a frozen server costs at most the sum. */
const pingPeriodMs = 5_000;
const pingTimeoutMs = 7_000;
/** Short: behind a load balancer, the next attempt leads to another server. */
const connectTimeoutMs = 5_000;
const streamWindowBytes = 1 << 20;
const sessionWindowBytes = 16 << 20;
const attemptsMax = 3;

export interface TransportRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  body?: Buffer;
  signal?: AbortSignal;
  /** Until the answer's head is in. */
  timeoutMs: number;
}

export interface TransportResponse {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  /** The body. Destroy it when it is not read to its end. */
  stream: ClientHttp2Stream;
}

/** The connection failed or was lost: nothing is known of what became of a write. */
export class ConnectionError extends Error {
  override name = 'ConnectionError';
}

export class Http2Transport {
  #config: ClientConfig;
  #clock: Clock;
  #log: Logger;
  #current: ClientHttp2Session | undefined;
  #connecting: Promise<ClientHttp2Session> | undefined;
  #open = new Set<ClientHttp2Session>();
  #closed = false;

  constructor(config: ClientConfig, clock: Clock, log: Logger) {
    this.#config = config;
    this.#clock = clock;
    this.#log = log;
  }

  async request(request: TransportRequest): Promise<TransportResponse> {
    for (let attempt = 1; ; attempt++) {
      const session = await this.#session(request.signal);
      request.signal?.throwIfAborted();
      try {
        return await this.#send(session, request);
      } catch (error) {
        const again = error instanceof LostStream && (error.refused || request.method === 'GET');
        if (!again || attempt === attemptsMax || request.signal?.aborted) throw error;
      }
    }
  }

  /** In-flight requests fail. */
  close(): void {
    this.#closed = true;
    for (const session of this.#open) session.destroy();
  }

  async #session(signal: AbortSignal | undefined): Promise<ClientHttp2Session> {
    const current = this.#current;
    if (current && !current.closed && !current.destroyed) return current;
    if (this.#closed) throw new ConnectionError('the client is closed');
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return signal ? unlessAborted(this.#connecting, signal) : this.#connecting;
  }

  #connect(): Promise<ClientHttp2Session> {
    const { server, ca, cert, key, serverName, insecureSkipVerify } = this.#config;
    return new Promise((resolve, reject) => {
      const session = connect(server, {
        settings: { enablePush: false, initialWindowSize: streamWindowBytes },
        ...(ca ? { ca } : {}),
        ...(cert ? { cert, key } : {}),
        ...(serverName ? { servername: serverName } : {}),
        rejectUnauthorized: !insecureSkipVerify,
      });
      this.#open.add(session);
      const timer = this.#clock.setTimer(connectTimeoutMs, () => session.destroy(new Error('timed out')));
      let lastError: unknown;
      session.once('connect', () => {
        timer.cancel();
        // Reset, or given up, in the moment between the handshake and this event: 'close' says so.
        if (session.destroyed) return;
        session.setLocalWindowSize(sessionWindowBytes);
        this.#current = session;
        this.#keepAlive(session);
        resolve(session);
      });
      session.on('error', (error) => {
        lastError = error;
      });
      session.once('close', () => {
        timer.cancel();
        this.#open.delete(session);
        if (this.#current === session) this.#current = undefined;
        reject(new ConnectionError(`cannot connect to ${server}: ${messageOf(lastError)}`, { cause: lastError }));
      });
    });
  }

  /** Pings while the session lives. One timer at a time: until the next ping, or until its answer is due. */
  #keepAlive(session: ClientHttp2Session): void {
    let timer: Timer;
    const ping = () => {
      // Given up already, and only waiting for a frozen peer's last word before it is 'close'd.
      if (session.destroyed) return;
      timer = this.#clock.setTimer(pingTimeoutMs, () => {
        this.#log.warn({ server: this.#config.server }, 'the API server does not answer: opening another connection');
        session.destroy(new Error('no answer to a ping'));
      });
      session.ping((error) => {
        timer.cancel();
        if (!error && !session.destroyed) timer = this.#clock.setTimer(pingPeriodMs, ping);
      });
    };
    timer = this.#clock.setTimer(pingPeriodMs, ping);
    session.once('close', () => timer.cancel());
  }

  #send(session: ClientHttp2Session, request: TransportRequest): Promise<TransportResponse> {
    const { server } = this.#config;
    return new Promise((resolve, reject) => {
      let stream: ClientHttp2Stream;
      try {
        stream = session.request(
          { ':method': request.method, ':path': request.path, ...request.headers },
          { endStream: request.body === undefined },
        );
      } catch (error) {
        // The session went away between the check and here: nothing was sent.
        return reject(new LostStream(`lost the connection to ${server}: ${messageOf(error)}`, true, error));
      }
      let failure: unknown;
      let isTimedOut = false;
      const timer = this.#clock.setTimer(request.timeoutMs, () => {
        isTimedOut = true;
        // Perhaps the server is frozen: leave its connection to what is in flight, and let the next request try another.
        if (this.#current === session) this.#current = undefined;
        session.close();
        stream.close(constants.NGHTTP2_CANCEL);
      });
      const abort = () => stream.close(constants.NGHTTP2_CANCEL);
      const settle = () => {
        timer.cancel();
        request.signal?.removeEventListener('abort', abort);
      };
      request.signal?.addEventListener('abort', abort, { once: true });
      stream.on('error', (error) => {
        failure = error;
      });
      stream.once('response', (headers) => {
        timer.cancel();
        resolve({ status: Number(headers[':status']), headers: headers as TransportResponse['headers'], stream });
      });
      stream.once('close', () => {
        settle();
        if (request.signal?.aborted) return reject(request.signal.reason);
        if (isTimedOut)
          return reject(new ConnectionError(`no answer from ${server} within ${Math.round(request.timeoutMs)} ms`));
        const isRefused = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM;
        reject(
          new LostStream(`lost the connection to ${server}: ${messageOf(failure ?? 'closed')}`, isRefused, failure),
        );
      });
      if (request.body !== undefined) stream.end(request.body);
    });
  }
}

/** Others may wait for the same promise: it goes on, only this caller leaves. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** Lost before the answer began. `refused`: certainly not processed. */
class LostStream extends ConnectionError {
  readonly refused: boolean;
  constructor(message: string, refused: boolean, cause: unknown) {
    super(message, { cause });
    this.refused = refused;
  }
}
