/**
 * An etcd client over a simulated connection, as src/etcd/client.ts is over gRPC: the same messages in the same bytes, the
 * same errors, deadlines and cancellation. What it leaves out is gRPC itself.
 */
import { type Clock, sleep } from '#base/clock.ts';
import type { EtcdClient } from '#etcd/client.ts';
import { Code, EtcdError, etcdErrorOf } from '#etcd/etcd-error.ts';
import { WatchResponse } from '#etcd/key-value.ts';
import { KV, Lease, Maintenance, type Method, Watch } from '#etcd/rpc.ts';
import { type WatchHandle, WatchStream } from '#etcd/watch-stream.ts';
import type { Connection, Endpoint, Message } from './network.ts';

/** Resolves to a connection, or rejects when nobody answers there. */
export type Dial = () => Promise<Connection>;

export type SimEtcdClient = Pick<
  EtcdClient,
  'range' | 'put' | 'txn' | 'deleteRange' | 'compact' | 'leaseGrant' | 'status' | 'watch'
>;

const requestTimeoutMs = 10_000;
const redialMinMs = 50;
const redialMaxMs = 250;

export function connectEtcd(clock: Clock, dial: Dial): SimEtcdClient {
  const channel = new Channel(clock, dial);
  const unary =
    <Req, Res>(method: Method<any, Req, Res, any>) =>
    (request: Req, call?: { signal?: AbortSignal }): Promise<Res> =>
      channel.unary(method, request, call?.signal);
  return {
    range: unary(KV.range),
    put: unary(KV.put),
    txn: unary(KV.txn),
    deleteRange: unary(KV.deleteRange),
    compact: unary(KV.compact),
    leaseGrant: unary(Lease.grant),
    status: (call) => channel.unary(Maintenance.status, {}, call?.signal),
    watch: (request, sink) => channel.watch(request, sink),
  } as SimEtcdClient;
}

interface Call {
  receive(message: Message): void;
  failed(error: { code: number; details: string; message: string }): void;
}

/** A channel of gRPC: connects when it is needed, and again when it broke. */
class Channel implements Endpoint {
  readonly #clock: Clock;
  readonly #dial: Dial;
  readonly #calls = new Map<number, Call>();
  #connection: Connection | undefined;
  #dialing: Promise<void> | undefined;
  #next = 0;
  #watchStream: WatchStream | undefined;

  constructor(clock: Clock, dial: Dial) {
    this.#clock = clock;
    this.#dial = dial;
  }

  receive(message: Message): void {
    this.#calls.get(message.stream)?.receive(message);
  }

  closed(): void {
    this.#connection = undefined;
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) call.failed(dropped);
  }

  async unary<Req, Res>(
    method: Method<any, Req, Res, any>,
    request: Req,
    signal: AbortSignal | undefined,
  ): Promise<Res> {
    const deadline = this.#clock.monotonic() + requestTimeoutMs;
    const connection = this.#connection ?? (await this.#connected(deadline, signal));
    if (signal?.aborted) throw new EtcdError(Code.CANCELLED, 'the request was cancelled', false);
    const stream = ++this.#next;
    return new Promise<Res>((resolve, reject) => {
      const settle = () => {
        timer.cancel();
        signal?.removeEventListener('abort', cancel);
        this.#calls.delete(stream);
      };
      const fail = (error: { code: number; details: string; message: string }) => {
        settle();
        reject(etcdErrorOf(error));
      };
      const cancel = () => fail(failure(Code.CANCELLED, 'Call cancelled'));
      const left = deadline - this.#clock.monotonic();
      const timer = this.#clock.setTimer(left, () => fail(failure(Code.DEADLINE_EXCEEDED, 'Deadline exceeded')));
      signal?.addEventListener('abort', cancel, { once: true });
      this.#calls.set(stream, {
        failed: fail,
        receive({ code, details, bytes }) {
          if (code) return fail(failure(code, details ?? ''));
          settle();
          resolve(method.response.decode(bytes!));
        },
      });
      connection.send('server', { stream, path: method.path, bytes: method.request.encode(request) });
    });
  }

  watch(request: Parameters<EtcdClient['watch']>[0], sink: Parameters<EtcdClient['watch']>[1]): WatchHandle {
    let handle: WatchHandle | undefined;
    let isCancelled = false;
    let isProgressWanted = false;
    this.#openWatchStream().then(
      (stream) => {
        if (isCancelled) return;
        handle = stream.watch(request, sink);
        if (isProgressWanted) handle.requestProgress();
      },
      (error: EtcdError) => {
        if (!isCancelled) sink.closed(error);
      },
    );
    return {
      cancel() {
        isCancelled = true;
        handle?.cancel();
      },
      requestProgress() {
        isProgressWanted = true;
        handle?.requestProgress();
      },
    };
  }

  async #openWatchStream(): Promise<WatchStream> {
    const connection =
      this.#connection ?? (await this.#connected(this.#clock.monotonic() + requestTimeoutMs, undefined));
    if (this.#watchStream?.isOpen) return this.#watchStream;
    const stream = ++this.#next;
    const listeners: Record<string, (argument?: any) => void> = {};
    this.#calls.set(stream, {
      receive: ({ bytes }) => listeners['data']?.(WatchResponse.decode(bytes!)),
      failed: (error) => listeners['error']?.(error),
    });
    connection.send('server', { stream, path: Watch.watch.path });
    const duplex = {
      on: (event: string, listener: (argument?: any) => void) => {
        listeners[event] = listener;
      },
      write: (message: Parameters<typeof Watch.watch.request.encode>[0]) =>
        connection.send('server', { stream, bytes: Watch.watch.request.encode(message) }),
      cancel: () => {
        if (!this.#calls.delete(stream)) return;
        connection.send('server', { stream, code: Code.CANCELLED });
      },
    };
    // A connection that fell silent is noticed by the network's own keep-alive here.
    const unobserved = { heard() {}, closed() {} };
    this.#watchStream = new WatchStream(duplex as unknown as ConstructorParameters<typeof WatchStream>[0], unobserved);
    return this.#watchStream;
  }

  async #connected(deadline: number, signal: AbortSignal | undefined): Promise<Connection> {
    for (let delay = redialMinMs; ; delay = Math.min(delay * 2, redialMaxMs)) {
      if (this.#connection) return this.#connection;
      if (signal?.aborted) throw new EtcdError(Code.CANCELLED, 'the request was cancelled', false);
      if (this.#clock.monotonic() >= deadline) throw new EtcdError(Code.UNAVAILABLE, 'no connection to etcd', false);
      this.#dialing ??= this.#dial()
        .then(
          (connection) => {
            connection.endpoints.client = this;
            this.#connection = connection.isClosed('client') ? undefined : connection;
          },
          () => {},
        )
        .finally(() => {
          this.#dialing = undefined;
        });
      await this.#dialing;
      if (!this.#connection) await sleep(this.#clock, delay, signal);
    }
  }
}

const failure = (code: number, details: string) => ({ code, details, message: details });
const dropped = failure(Code.UNAVAILABLE, 'Connection dropped');
