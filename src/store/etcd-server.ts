/**
 * The embedded store as a process part: opens the data directory, then the ports, and closes them in reverse. Owns the
 * data directory from start to end. `kill -9` at any moment loses no acknowledged write.
 */
import { randomBytes } from 'node:crypto';
import type { Clock, Timer } from '#base/clock.ts';
import { OperatorError } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { Runnable } from '#base/runnable.ts';
import { Auth, Cluster, Election, Health, KV, Lease, Lock, Maintenance, Watch } from '#etcd/rpc.ts';
import { type AutoCompaction, startAutoCompaction } from './auto-compaction.ts';
import { openDatabase } from './backend/database.ts';
import { authService } from './rpc/auth-service.ts';
import { electionService } from './rpc/election-service.ts';
import { GrpcServer } from './rpc/grpc-server.ts';
import { grpcError, type HeaderOf, serviceMethods } from './rpc/grpc-service.ts';
import { healthService } from './rpc/health-service.ts';
import { httpEndpoints } from './rpc/http-endpoints.ts';
import { kvService } from './rpc/kv-service.ts';
import { leaseService } from './rpc/lease-service.ts';
import { type Listener, type ListenerTls, listen } from './rpc/listener.ts';
import { lockService } from './rpc/lock-service.ts';
import { clusterService, maintenanceService } from './rpc/maintenance-service.ts';
import { serveWatch } from './rpc/watch-service.ts';
import { Store } from './store.ts';

export interface EtcdServerOptions {
  name: string;
  dataDir: string;
  listenClientUrls: readonly string[];
  /** Empty: those that were opened. */
  advertiseClientUrls: readonly string[];
  peerUrls: readonly string[];
  /** HTTP/1.1 only: health and metrics, without client certificates. */
  listenMetricsUrls: readonly string[];
  tls?: ListenerTls;
  autoCompaction?: AutoCompaction;
  /** 0: 2 GiB. */
  quotaBackendBytes: number;
  maxRequestBytes: number;
  maxTxnOps: number;
  watchProgressNotifyIntervalMs: number;
  clock: Clock;
  log: Logger;
  /** Called when it serves, with the URLs it serves on. */
  onReady?: (clientUrls: readonly string[]) => void;
}

/** What a message may have on top of the request in it, as in etcd. */
const grpcOverheadBytes = 512 * 1024;
/** How long open requests and streams may take to end when the process stops. */
const drainMs = 1000;

export function createEtcdServer(options: EtcdServerOptions): Runnable {
  return { name: 'etcd', run: (signal) => run(options, signal) };
}

async function run(options: EtcdServerOptions, signal: AbortSignal): Promise<void> {
  const { clock, log } = options;
  const database = openDatabase(options.dataDir, randomId, clock);
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const store = new Store({
    database,
    clock,
    log,
    randomId,
    quotaBackendBytes: options.quotaBackendBytes,
    onFatal: (error) => {
      log.error({ error: error.stack }, 'a commit failed: what was not acknowledged may be lost');
      failed.reject(
        new OperatorError(
          `cannot write to ${database.path}: ${error.message}; make room on the disk or repair it, and start again`,
        ),
      );
    },
  });
  const stopping = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => stopping.resolve(), { once: true });
  if (signal.aborted) stopping.resolve();
  const listeners: Listener[] = [];
  const members = { name: options.name, peerUrls: options.peerUrls, clientUrls: options.advertiseClientUrls };
  const grpc = createGrpcServer(store, options, members);
  const http = httpEndpoints(store);
  let ticker: { stop(): void } | undefined;
  let compaction: { stop(): void } | undefined;
  try {
    const { tls } = options;
    const client = await listen({
      urls: options.listenClientUrls,
      flag: '--listen-client-urls',
      tls,
      http,
      grpc: (socket) => grpc.serve(socket),
      clock,
      log,
    });
    listeners.push(client);
    if (members.clientUrls.length === 0) members.clientUrls = client.urls;
    const metricsTls = tls && { cert: tls.cert, key: tls.key, allowedCommonNames: [] };
    listeners.push(
      await listen({
        urls: options.listenMetricsUrls,
        flag: '--listen-metrics-urls',
        tls: metricsTls,
        http,
        clock,
        log,
      }),
    );
    store.start();
    ticker = every(options.watchProgressNotifyIntervalMs, clock, () => store.watches.notifyProgress());
    if (options.autoCompaction) compaction = startAutoCompaction(store, options.autoCompaction, clock, log);
    log.info(
      { clientUrls: client.urls, dataDir: options.dataDir, revision: store.revision },
      'ready to serve client requests',
    );
    options.onReady?.(client.urls);
    await Promise.race([stopping.promise, failed.promise]);
    log.info({}, 'stopping');
  } finally {
    ticker?.stop();
    compaction?.stop();
    for (const listener of listeners) listener.close();
    await store.stop();
    await drained(grpc, clock);
    for (const listener of listeners) listener.destroy();
    database.close();
  }
}

function createGrpcServer(
  store: Store,
  options: EtcdServerOptions,
  members: { name: string; peerUrls: readonly string[]; clientUrls: readonly string[] },
): GrpcServer {
  const { log } = options;
  const { clusterId, memberId, term } = store.database;
  const raftTerm = BigInt(term);
  const headerOf: HeaderOf = (revision) => ({ clusterId, memberId, revision, raftTerm });
  const methods = new Map([
    ...serviceMethods(KV, kvService(store, headerOf, options)),
    ...serviceMethods(Watch, {
      watch: (stream: Parameters<typeof serveWatch>[0]) => serveWatch(stream, store.watches, headerOf),
    }),
    ...serviceMethods(Lease, leaseService(store, headerOf)),
    ...serviceMethods(Cluster, clusterService(store, headerOf, members)),
    ...serviceMethods(Maintenance, maintenanceService(store, headerOf, options.clock, log)),
    ...serviceMethods(Auth, authService(store, headerOf)),
    ...serviceMethods(Lock, lockService(store, headerOf)),
    ...serviceMethods(Election, electionService(store, headerOf, log)),
    ...serviceMethods(Health, healthService()),
  ]);
  return new GrpcServer({
    methods,
    statusOf: (error) => grpcError(error, log),
    messageBytesMax: options.maxRequestBytes + grpcOverheadBytes,
    clock: options.clock,
  });
}

/** Requests under way are answered; streams, which would last for ever, are cut off. */
function drained(server: GrpcServer, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.setTimer(drainMs, () => {
      server.destroy();
      resolve();
    });
    server.shutdown().then(() => {
      timer.cancel();
      resolve();
    });
  });
}

function every(intervalMs: number, clock: Clock, fn: () => void): { stop(): void } {
  let timer: Timer;
  const tick = () => {
    timer = clock.setTimer(intervalMs, tick);
    fn();
  };
  timer = clock.setTimer(intervalMs, tick);
  return { stop: () => timer.cancel() };
}

/** A positive 63-bit number. */
const randomId = (): bigint => randomBytes(8).readBigUInt64BE() >> 1n || 1n;
