/**
 * gRPC's server side over HTTP/2 connections: finds the method, reads the messages, ends calls with their status. Our
 * own, since the store answers in the time that a general stack needs to make its stream objects (docs/adr/0003).
 */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { Clock, Timer } from '#base/clock.ts';
import { Code } from '#etcd/grpc-status.ts';
import type { Codec } from '#etcd/wire.ts';
import { framed, MessageReader, type Refusal } from './grpc-messages.ts';
import { Http2Connection, type RequestHeaders } from './http2/connection.ts';
import { encodeFields } from './http2/hpack.ts';
import type { Http2Stream } from './http2/stream.ts';

/** A request with the size it had on the wire. */
export interface Sized<T> {
  body: T;
  bytes: number;
}

export type Status = Refusal;

interface Encoding {
  request: Pick<Codec<any>, 'decode'>;
  response: Pick<Codec<any, any>, 'encode'>;
}
/** One question, one answer. Errors it throws are told by `statusOf`. */
export interface UnaryMethod extends Encoding {
  unary: (request: any, bytes: number, call: Cancellable) => unknown;
}
/** For requests that may wait for long. */
export interface Cancellable {
  /** Calls `stop` when nobody waits for the answer any more. */
  onCancel(stop: () => void): void;
}
export interface StreamMethod extends Encoding {
  /** Takes its listeners at once, so that it misses nothing. */
  stream: (call: ServerStream<any, any>) => void;
  /** Several requests may come: the call begins with the headers. Else with the one request. */
  isRequestStream: boolean;
}

export interface GrpcServerOptions {
  /** By path, such as `/etcdserverpb.KV/Range`. */
  methods: ReadonlyMap<string, UnaryMethod | StreamMethod>;
  statusOf: (error: unknown) => Status;
  messageBytesMax: number;
  clock: Clock;
}

/** How often connections are looked after. */
const tickMs = 1000;
/** A connection that said nothing for so long is asked whether it is there, and ended if it does not answer. */
const keepAliveTicks = 60;
const keepAliveTimeoutTicks = 20;

/** What one connection may have begun to say, in all its streams together. */
const heldBytesMax = 64 * 1024 * 1024;

const responseHeaders = encodeFields({ ':status': '200', 'content-type': 'application/grpc' });
const notGrpc = encodeFields({ ':status': '415' });
const okTrailers = encodeFields({ 'grpc-status': '0' });

export class GrpcServer {
  readonly #options: GrpcServerOptions;
  readonly #connections = new Map<Http2Connection, { quietTicks: number }>();
  readonly #calls = new Set<DeadlineCall>();
  #timer: Timer;
  #onIdle: (() => void) | undefined;

  constructor(options: GrpcServerOptions) {
    this.#options = options;
    this.#timer = options.clock.setTimer(tickMs, () => this.#tick());
  }

  /** Takes a connection whose client speaks HTTP/2. */
  serve(socket: Socket): void {
    const connection = new Http2Connection(socket, this.#options.clock, {
      stream: (stream, headers) => this.#begin(stream, headers),
      ended: (one) => {
        if (one.isDestroyed) this.#connections.delete(one);
        this.#checkIdle();
      },
    });
    this.#connections.set(connection, { quietTicks: 0 });
  }

  /** Takes no new calls; resolves when those that are open have ended. */
  async shutdown(): Promise<void> {
    for (const connection of this.#connections.keys()) connection.goAway();
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      this.#checkIdle();
    });
    this.#timer.cancel();
    for (const connection of this.#connections.keys()) connection.end();
  }

  destroy(): void {
    this.#timer.cancel();
    for (const connection of this.#connections.keys()) connection.destroy();
    this.#onIdle?.();
  }

  #begin(stream: Http2Stream, headers: RequestHeaders): void {
    stream.receiver = ignore;
    if (headers.method !== 'POST' || !isGrpc(headers.contentType)) {
      stream.end(notGrpc);
      return;
    }
    const method = this.#options.methods.get(headers.path);
    if (!method) {
      refuse(stream, unknownMethod(headers.path, this.#options.methods));
      return;
    }
    const deadline = this.#deadline(headers.grpcTimeout);
    if (deadline instanceof Object) {
      refuse(stream, deadline);
      return;
    }
    const { statusOf, messageBytesMax } = this.#options;
    const call =
      'unary' in method ? new UnaryCall(stream, method, statusOf) : new ServerStream<unknown, unknown>(stream, method);
    const fail = (status: Status) => {
      stream.receiver = ignore;
      call.fail(status);
    };
    const reader = new MessageReader(messageBytesMax, headers.grpcEncoding, (message) => {
      let body: unknown;
      try {
        body = method.request.decode(message);
      } catch (error) {
        fail({ code: Code.INTERNAL, details: `grpc: error unmarshalling request: ${(error as Error).message}` });
        return;
      }
      call.message({ body, bytes: message.length });
    });
    const expiring = deadline === undefined ? undefined : { deadline, fail };
    if (expiring) this.#calls.add(expiring);
    const { connection } = stream;
    let held = 0;
    const hold = (bytes: number) => {
      connection.heldBytes += bytes - held;
      held = bytes;
    };
    call.onOver = () => {
      if (expiring) this.#calls.delete(expiring);
      hold(0);
    };
    stream.receiver = {
      data(bytes) {
        const refusal = reader.push(bytes);
        if (refusal) fail(refusal);
        else if (stream.receiver !== ignore) hold(reader.heldBytes);
        if (connection.heldBytes > heldBytesMax) fail(tooMuchAtOnce);
      },
      end() {
        if (reader.heldBytes > 0) fail({ code: Code.INTERNAL, details: 'grpc: the stream ended within a message' });
        else call.requestEnd();
      },
      reset: () => call.reset(),
      drain: () => call.drain(),
    };
    call.begin();
  }

  /** Undefined: none. */
  #deadline(timeout: string): number | Status | undefined {
    if (timeout === '') return undefined;
    const unit = /^\d{1,8}[HMSmun]$/.test(timeout) ? unitsMs[timeout.at(-1)!] : undefined;
    if (unit === undefined) return { code: Code.INTERNAL, details: `malformed grpc-timeout: ${timeout.slice(0, 20)}` };
    const timeoutMs = Number(timeout.slice(0, -1)) * unit;
    if (timeoutMs === 0) return deadlineExceeded;
    return this.#options.clock.monotonic() + timeoutMs;
  }

  /**
   * Clients end their calls at the deadline themselves; here it is looked at once a tick, for those that are gone
   * without a word.
   */
  #tick(): void {
    this.#timer = this.#options.clock.setTimer(tickMs, () => this.#tick());
    const now = this.#options.clock.monotonic();
    for (const call of [...this.#calls]) if (call.deadline <= now) call.fail(deadlineExceeded);
    for (const [connection, state] of this.#connections) {
      state.quietTicks = connection.hasHeard ? 0 : state.quietTicks + 1;
      if (connection.hasHeard) connection.isPingSent = false;
      connection.hasHeard = false;
      if (connection.isPingSent) {
        if (state.quietTicks >= keepAliveTicks + keepAliveTimeoutTicks) connection.destroy();
      } else if (state.quietTicks >= keepAliveTicks) connection.ping();
    }
  }

  #checkIdle(): void {
    if (!this.#onIdle) return;
    for (const connection of this.#connections.keys()) if (connection.streams.size > 0) return;
    this.#onIdle();
  }
}

interface DeadlineCall {
  deadline: number;
  fail(status: Status): void;
}

const unitsMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };
const deadlineExceeded: Status = { code: Code.DEADLINE_EXCEEDED, details: 'context deadline exceeded' };

const tooMuchAtOnce: Status = { code: Code.RESOURCE_EXHAUSTED, details: 'grpc: too many large messages at once' };

/** What is left of a call that is over. */
const ignore = { data() {}, end() {}, reset() {}, drain() {} };

function isGrpc(contentType: string): boolean {
  if (!contentType.startsWith('application/grpc')) return false;
  const next = contentType['application/grpc'.length];
  return next === undefined || next === '+' || next === ';';
}

function unknownMethod(path: string, methods: GrpcServerOptions['methods']): Status {
  const slash = path.lastIndexOf('/');
  const service = path.slice(1, slash);
  const prefix = `${path.slice(0, slash)}/`;
  const isService = slash > 0 && [...methods.keys()].some((known) => known.startsWith(prefix));
  const details = isService
    ? `unknown method ${path.slice(slash + 1)} for service ${service}`
    : `unknown service ${service}`;
  return { code: Code.UNIMPLEMENTED, details: details.slice(0, 200) };
}

/** A status without an answer: headers and trailers are one. */
function refuse(stream: Http2Stream, { code, details }: Status): void {
  stream.end(
    encodeFields({
      ':status': '200',
      'content-type': 'application/grpc',
      'grpc-status': String(code),
      'grpc-message': percentEncoded(details),
    }),
  );
}

function trailersOf({ code, details }: Status): Buffer {
  if (code === Code.OK) return okTrailers;
  return encodeFields({ 'grpc-status': String(code), 'grpc-message': percentEncoded(details) });
}

function percentEncoded(text: string): string {
  return Buffer.from(text)
    .toString('latin1')
    .replace(/[^ -$&-~]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}

/** What a stream's events mean for a call. */
interface Call {
  onOver: () => void;
  begin(): void;
  message(request: Sized<unknown>): void;
  requestEnd(): void;
  reset(): void;
  drain(): void;
  fail(status: Status): void;
}

class UnaryCall implements Call, Cancellable {
  onOver = () => {};
  #stop: (() => void) | undefined;
  readonly #stream: Http2Stream;
  readonly #method: UnaryMethod;
  readonly #statusOf: (error: unknown) => Status;
  #request: Sized<unknown> | undefined;
  #isOver = false;
  #isWorking = false;

  constructor(stream: Http2Stream, method: UnaryMethod, statusOf: (error: unknown) => Status) {
    this.#stream = stream;
    this.#method = method;
    this.#statusOf = statusOf;
  }

  begin(): void {}

  message(request: Sized<unknown>): void {
    if (this.#request) this.fail({ code: Code.INTERNAL, details: 'grpc: more than one request' });
    else this.#request = request;
  }

  requestEnd(): void {
    if (this.#isOver) return;
    const request = this.#request;
    if (!request) {
      this.fail({ code: Code.INTERNAL, details: 'grpc: no request' });
      return;
    }
    this.#isWorking = true;
    let result: unknown;
    try {
      result = this.#method.unary(request.body, request.bytes, this);
    } catch (error) {
      this.#failed(error);
      return;
    }
    if (result instanceof Promise) {
      result.then(
        (response) => this.#answer(response),
        (error: unknown) => this.#failed(error),
      );
    } else this.#answer(result);
  }

  onCancel(stop: () => void): void {
    this.#stop = stop;
  }

  /** Nobody waits for the answer; work that is under way goes on. */
  reset(): void {
    if (this.#isWorking) this.#stream.connection.orphans++;
    this.#over();
  }

  drain(): void {}

  fail(status: Status): void {
    if (this.#isOver) return;
    if (this.#isWorking) this.#stream.connection.orphans++;
    refuse(this.#stream, status);
    this.#over();
  }

  #answer(response: unknown): void {
    if (this.#worked()) return;
    let message: Buffer;
    try {
      message = framed(this.#method.response.encode(response));
    } catch (error) {
      this.fail(this.#statusOf(error));
      return;
    }
    this.#stream.answer(responseHeaders, message, okTrailers);
    this.#over();
  }

  #failed(error: unknown): void {
    const status = this.#statusOf(error);
    if (!this.#worked()) this.fail(status);
  }

  /** True: the call is over already. */
  #worked(): boolean {
    this.#isWorking = false;
    if (this.#isOver) this.#stream.connection.orphans--;
    return this.#isOver;
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.onOver();
    if (this.#isWorking) this.#stop?.();
  }
}

/**
 * A call whose answers are a stream. Events: `data` (a Sized request), `end` of the requests, `drain` after write() was
 * false, `cancelled` when the client or the connection is gone, `close` in any case. Emitting `error` with a Status ends
 * it so.
 */
export class ServerStream<Req, Res> extends EventEmitter implements Call {
  onOver = () => {};
  cancelled = false;
  /** Of a method with one request. */
  request!: Sized<Req>;
  readonly #stream: Http2Stream;
  readonly #method: StreamMethod;
  #hasHeaders = false;
  #isOver = false;
  #isPaused = false;
  #isRequestEnd = false;
  #waiting: Sized<Req>[] = [];

  constructor(stream: Http2Stream, method: StreamMethod) {
    super();
    this.#stream = stream;
    this.#method = method;
    this.on('error', (status: Status) => this.fail(status));
  }

  /** False: enough for now, go on at `drain`. Bytes are a message that is encoded already. */
  write(response: Res | Buffer): boolean {
    const message = Buffer.isBuffer(response) ? response : this.#method.response.encode(response);
    return this.writeFramed([framed(message)]);
  }

  /** Whole messages that have their prefixes, however they are cut. */
  writeFramed(parts: readonly Buffer[]): boolean {
    if (this.#isOver) return true;
    this.#sendHeaders();
    return this.#stream.write(parts);
  }

  /** The same for what fits into one frame and begins with room for its header. */
  writeInPlace(frame: Buffer): boolean {
    if (this.#isOver) return true;
    this.#sendHeaders();
    return this.#stream.writeInPlace(frame);
  }

  end(): void {
    this.#finish(okTrailers);
  }

  /** No `data` until resume(): the client is slowed down by its window. */
  pause(): void {
    this.#isPaused = true;
    this.#stream.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    while (this.#waiting.length > 0 && !this.#isPaused) this.emit('data', this.#waiting.shift());
    if (this.#isPaused) return;
    this.#stream.resume();
    if (this.#isRequestEnd) this.emit('end');
  }

  begin(): void {
    if (!this.#method.isRequestStream) return;
    this.#method.stream(this);
    // A client may wait for them before it says more.
    this.#sendHeaders();
  }

  message(request: Sized<unknown>): void {
    if (this.#isOver) return;
    if (!this.#method.isRequestStream) this.request = request as Sized<Req>;
    else if (this.#isPaused) this.#waiting.push(request as Sized<Req>);
    else this.emit('data', request);
  }

  requestEnd(): void {
    if (this.#isOver) return;
    if (!this.#method.isRequestStream) {
      if (this.request) this.#method.stream(this);
      else this.fail({ code: Code.INTERNAL, details: 'grpc: no request' });
      return;
    }
    this.#isRequestEnd = true;
    if (!this.#isPaused) this.emit('end');
  }

  reset(): void {
    this.cancelled = true;
    this.#over();
  }

  drain(): void {
    if (!this.#isOver) this.emit('drain');
  }

  fail(status: Status): void {
    this.cancelled = true;
    if (this.#hasHeaders) this.#finish(trailersOf(status));
    else if (!this.#isOver) {
      refuse(this.#stream, status);
      this.#over();
    }
  }

  #sendHeaders(): void {
    if (this.#hasHeaders || this.#isOver) return;
    this.#hasHeaders = true;
    this.#stream.headers(responseHeaders);
  }

  #finish(trailers: Buffer): void {
    if (this.#isOver) return;
    this.#sendHeaders();
    this.#stream.end(trailers);
    this.#over();
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#waiting = [];
    this.onOver();
    if (this.cancelled) this.emit('cancelled');
    this.emit('close');
  }
}
