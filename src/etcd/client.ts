/**
 * A client of etcd's v3 API: typed requests with a deadline, fail-over between endpoints, and watches on one stream.
 * Reads are repeated, elsewhere if need be, until their deadline: they are linearizable, so that it does not matter
 * which member answers. Writes are repeated only when they were certainly not proposed; a write that may have been
 * applied comes back as an EtcdError that says so.
 */
import { Metadata } from '@grpc/grpc-js';
import { type Clock, sleep } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import { createEndpoints, type Endpoint, type TlsOptions } from './endpoints.ts';
import { Code, EtcdError, etcdErrorOf, isNotProposed, isOutcomeUnknown } from './etcd-error.ts';
import type { KeyValue, RangeResponse, ResponseHeader } from './key-value.ts';
import { type InFlight, Liveness } from './liveness.ts';
import type * as m from './messages.ts';
import { Cluster, KV, Lease, Maintenance, type Method, Watch } from './rpc.ts';
import { type WatchHandle, type WatchOptions, type WatchSink, WatchStream } from './watch-stream.ts';
import type { InitOf, MessageOf } from './wire.ts';

export interface EtcdClientOptions {
  /** `http://host:port` or `https://host:port`. */
  endpoints: readonly string[];
  /** Used while none of `endpoints` can be reached. */
  fallbackEndpoints?: readonly string[];
  tls?: TlsOptions;
  clock: Clock;
  log: Logger;
  /** Deadline of a request that names none. Default 10 s. */
  requestTimeoutMs?: number;
  /** Default 8 MiB; etcd itself refuses more than its --max-request-bytes. */
  sendMessageBytesMax?: number;
}

export interface CallOptions {
  timeoutMs?: number;
  signal?: AbortSignal;
}

type Request<C> = InitOf<C>;
type Response<C> = Promise<MessageOf<C>>;

export interface EtcdClient {
  range(request: Request<typeof m.RangeRequest>, options?: CallOptions): Promise<RangeResponse>;
  put(request: Request<typeof m.PutRequest>, options?: CallOptions): Response<typeof m.PutResponse>;
  deleteRange(
    request: Request<typeof m.DeleteRangeRequest>,
    options?: CallOptions,
  ): Response<typeof m.DeleteRangeResponse>;
  txn(request: m.TxnRequestInit, options?: CallOptions): Promise<m.TxnResponse>;
  compact(request: Request<typeof m.CompactionRequest>, options?: CallOptions): Response<typeof m.CompactionResponse>;
  /** `id` absent: the store chooses. TTL in seconds. */
  leaseGrant(
    request: Request<typeof m.LeaseGrantRequest>,
    options?: CallOptions,
  ): Response<typeof m.LeaseGrantResponse>;
  leaseRevoke(id: bigint, options?: CallOptions): Response<typeof m.LeaseRevokeResponse>;
  /** Renews once. The seconds it will live; 0 when there is no such lease. */
  leaseKeepAlive(id: bigint, options?: CallOptions): Promise<number>;
  leaseTimeToLive(
    request: Request<typeof m.LeaseTimeToLiveRequest>,
    options?: CallOptions,
  ): Response<typeof m.LeaseTimeToLiveResponse>;
  leaseLeases(options?: CallOptions): Promise<bigint[]>;
  memberList(options?: CallOptions): Response<typeof m.MemberListResponse>;
  memberAdd(peerUrls: string[], options?: CallOptions): Response<typeof m.MemberAddResponse>;
  memberRemove(id: bigint, options?: CallOptions): Response<typeof m.MemberListResponse>;
  /** Of one endpoint (as it was given), or of the one in use. */
  status(options?: CallOptions & { endpoint?: string }): Response<typeof m.StatusResponse>;
  defragment(options?: CallOptions & { endpoint?: string }): Response<typeof m.DefragmentResponse>;
  alarm(request: Request<typeof m.AlarmRequest>, options?: CallOptions): Response<typeof m.AlarmResponse>;
  hashKv(revision: number, options?: CallOptions): Response<typeof m.HashKvResponse>;
  /** The pieces of a consistent copy. */
  snapshot(options?: CallOptions): AsyncIterable<Buffer>;
  /** Watches are not resumed: see WatchSink. */
  watch(options: WatchOptions, sink: WatchSink): WatchHandle;
  close(): void;
}

export type { KeyValue, WatchHandle, WatchOptions, WatchSink };

export function createEtcdClient(options: EtcdClientOptions): EtcdClient {
  const { clock, log } = options;
  const endpoints = createEndpoints({
    ...options,
    sendMessageBytesMax: options.sendMessageBytesMax ?? 8 * 1024 * 1024,
  });
  const requestTimeoutMs = options.requestTimeoutMs ?? 10_000;

  const liveness = new Liveness({
    endpoints,
    clock,
    log,
    ask: (endpoint, boundMs) =>
      send(endpoint, KV.range, { key: Buffer.from([0]), countOnly: true }, clock.now() + boundMs).then(
        () => true,
        (error: EtcdError) => !isOutcomeUnknown(error.code),
      ),
  });

  async function unary<Req, Res>(
    method: Method<any, Req, Res, any>,
    request: Req,
    call: CallOptions & { endpoint?: string } = {},
  ): Promise<Res> {
    const deadline = clock.now() + (call.timeoutMs ?? requestTimeoutMs);
    // The first repetition goes elsewhere at once.
    for (let pauseMs = 0; ; pauseMs = Math.min(Math.max(pauseMs * 2, repeatMinMs), repeatMaxMs)) {
      const endpoint = call.endpoint
        ? named(call.endpoint)
        : (endpoints.ready() ?? (await endpoints.connected(deadline, call.signal)));
      try {
        return await send(endpoint, method, request, deadline, call.signal, !call.endpoint);
      } catch (error) {
        if (!(error instanceof EtcdError)) throw error;
        if (error.code === Code.UNAVAILABLE || error.code === Code.DEADLINE_EXCEEDED) endpoints.avoid(endpoint);
        const isRepeatable = isNotProposed(error) || (error.code === Code.UNAVAILABLE && reads.has(method));
        if (!isRepeatable || call.endpoint || clock.now() + pauseMs >= deadline || call.signal?.aborted) throw error;
        if (pauseMs > 0) await sleep(clock, pauseMs, call.signal);
      }
    }
  }

  /** One try at one endpoint. */
  function send<Req, Res>(
    endpoint: Endpoint,
    method: Method<any, Req, Res, any>,
    request: Req,
    deadline: number,
    signal?: AbortSignal,
    isWatchedOver = false,
  ): Promise<Res> {
    return new Promise((resolve, reject) => {
      let givenUp: EtcdError | undefined;
      const call = endpoint.client.makeUnaryRequest(
        method.path,
        method.request.encode,
        method.response.decode,
        request,
        leaderMethods.has(method) ? requireLeader : noMetadata,
        { deadline },
        (error, response) => {
          liveness.delete(inFlight);
          signal?.removeEventListener('abort', cancel);
          if (error) return reject(givenUp ?? etcdErrorOf(error));
          const { header } = response as { header?: ResponseHeader };
          if (header) liveness.sawTerm(header.raftTerm);
          resolve(response!);
        },
      );
      const inFlight: InFlight = {
        endpoint,
        kind: reads.has(method) ? 'read' : 'write',
        since: clock.monotonic(),
        term: liveness.term,
        giveUp(error) {
          givenUp = error;
          call.cancel();
        },
      };
      if (isWatchedOver && !slowMethods.has(method)) liveness.add(inFlight);
      const cancel = () => call.cancel();
      signal?.addEventListener('abort', cancel, { once: true });
      if (signal?.aborted) cancel();
    });
  }

  function named(url: string): Endpoint {
    const endpoint = endpoints.all.find((e) => e.url === url);
    if (!endpoint) throw new EtcdError(Code.INVALID_ARGUMENT, `not an endpoint of this client: ${url}`, false);
    return endpoint;
  }

  const watches = new WatchMultiplexer(async () => {
    const endpoint = endpoints.ready() ?? (await endpoints.connected(clock.now() + requestTimeoutMs));
    const { path, request, response } = Watch.watch;
    const stream = new WatchStream(
      endpoint.client.makeBidiStreamRequest(path, request.encode, response.decode, requireLeader),
      {
        heard(header) {
          inFlight.since = clock.monotonic();
          liveness.sawTerm(header.raftTerm);
        },
        closed: () => liveness.delete(inFlight),
      },
    );
    const inFlight: InFlight = {
      endpoint,
      kind: 'stream',
      since: clock.monotonic(),
      term: liveness.term,
      giveUp: (error) => stream.close(error),
    };
    liveness.add(inFlight);
    return stream;
  });

  return {
    range: (request, call) => unary(KV.range, request, call),
    put: (request, call) => unary(KV.put, request, call),
    deleteRange: (request, call) => unary(KV.deleteRange, request, call),
    txn: (request, call) => unary(KV.txn, request, call),
    compact: (request, call) => unary(KV.compact, request, call),
    leaseGrant: (request, call) => unary(Lease.grant, request, call),
    leaseRevoke: (id, call) => unary(Lease.revoke, { id }, call),
    async leaseKeepAlive(id, call) {
      const deadline = clock.now() + (call?.timeoutMs ?? requestTimeoutMs);
      const endpoint = endpoints.ready() ?? (await endpoints.connected(deadline, call?.signal));
      return (await exchange(endpoint, Lease.keepAlive, { id }, deadline)).ttl;
    },
    leaseTimeToLive: (request, call) => unary(Lease.timeToLive, request, call),
    leaseLeases: async (call) => (await unary(Lease.leases, {}, call)).leases.map((lease) => lease.id),
    memberList: (call) => unary(Cluster.memberList, {}, call),
    memberAdd: (peerUrls, call) => unary(Cluster.memberAdd, { peerUrls }, call),
    memberRemove: (id, call) => unary(Cluster.memberRemove, { id }, call),
    status: (call) => unary(Maintenance.status, {}, call),
    defragment: (call) => unary(Maintenance.defragment, {}, call),
    alarm: (request, call) => unary(Maintenance.alarm, request, call),
    hashKv: (revision, call) => unary(Maintenance.hashKv, { revision }, call),
    async *snapshot(call) {
      const deadline = clock.now() + (call?.timeoutMs ?? requestTimeoutMs);
      const { client } = endpoints.ready() ?? (await endpoints.connected(deadline, call?.signal));
      const { path, request, response } = Maintenance.snapshot;
      const stream = client.makeServerStreamRequest(path, request.encode, response.decode, {});
      try {
        for await (const piece of stream) yield (piece as MessageOf<typeof response>).blob;
      } catch (error) {
        throw etcdErrorOf(error as Error);
      } finally {
        stream.cancel();
      }
    },
    watch: (request, sink) => watches.watch(request, sink),
    close() {
      liveness.close();
      watches.close();
      endpoints.close();
      log.debug({}, 'etcd client closed');
    },
  };
}

/** Between tries at a store that answers that it cannot just now: an election takes a second or more. */
const repeatMinMs = 20;
const repeatMaxMs = 250;

const reads: ReadonlySet<Method> = new Set([
  KV.range,
  Lease.timeToLive,
  Lease.leases,
  Cluster.memberList,
  Maintenance.status,
]);
/** They may take long at a member that is well. */
const slowMethods: ReadonlySet<Method> = new Set([KV.compact, Maintenance.defragment, Maintenance.hashKv]);

/** A member without a leader refuses these at once, instead of waiting for one: another may have one. */
const leaderMethods: ReadonlySet<Method> = new Set([...Object.values(KV), ...Object.values(Lease)]);
const requireLeader = new Metadata();
requireLeader.set('hasleader', 'true');
const noMetadata = new Metadata();

/** One request and one answer over a method that is made for streams. */
function exchange<Req, Res>(
  endpoint: Endpoint,
  method: Method<any, Req, Res, any>,
  request: Req,
  deadline: number,
): Promise<Res> {
  return new Promise((resolve, reject) => {
    const { path, request: req, response: res } = method;
    const stream = endpoint.client.makeBidiStreamRequest(path, req.encode, res.decode, requireLeader, { deadline });
    stream.on('data', (response: Res) => {
      resolve(response);
      stream.cancel();
    });
    stream.on('error', (error) => reject(etcdErrorOf(error)));
    stream.on('end', () => reject(new EtcdError(Code.UNAVAILABLE, 'the stream ended without an answer', true)));
    stream.write(request);
  });
}

/** Opens the stream for the first watch, and a new one after it broke. */
class WatchMultiplexer {
  readonly #open: () => Promise<WatchStream>;
  #current: Promise<WatchStream> | undefined;

  constructor(open: () => Promise<WatchStream>) {
    this.#open = open;
  }

  watch(options: WatchOptions, sink: WatchSink): WatchHandle {
    let handle: WatchHandle | undefined;
    let isCancelled = false;
    let isProgressWanted = false;
    this.#stream().then(
      (stream) => {
        if (isCancelled) return;
        handle = stream.watch(options, sink);
        if (isProgressWanted) handle.requestProgress();
      },
      (error: unknown) => {
        if (!isCancelled) sink.closed(error instanceof EtcdError ? error : etcdErrorOf(error as Error));
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

  close(): void {
    const error = new EtcdError(Code.CANCELLED, 'the etcd client is closed', false);
    this.#current?.then(
      (stream) => stream.close(error),
      () => {},
    );
  }

  async #stream(): Promise<WatchStream> {
    for (;;) {
      this.#current ??= this.#open();
      const pending = this.#current;
      try {
        const stream = await pending;
        if (stream.isOpen) return stream;
      } catch (error) {
        if (this.#current === pending) this.#current = undefined;
        throw error;
      }
      if (this.#current === pending) this.#current = undefined;
    }
  }
}
