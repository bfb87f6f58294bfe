/**
 * The API server's front: listeners, the handler chain behind them, and an orderly end. It owns connections and
 * requests in flight, nothing that outlives them. Worst outcome of a bug here: clients reconnect.
 */
import type { KubeObject } from '#apimachinery/object.ts';
import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import type { Auditor } from './audit/configure.ts';
import type { FlowControl } from './flowcontrol/flow-control.ts';
import { createHandler } from './handler-chain.ts';
import type { RequestMetrics } from './metrics.ts';
import type { Registry, WriteContext } from './registry/registry.ts';
import type { ApiRequest, Authenticator, Authorizer, Handler, NonResourceHandler } from './request.ts';
import { openListener, type ServerListener } from './transport/listener.ts';

export interface ApiServerOptions {
  registry: Registry;
  /** Asked in order; the first that knows the credentials wins. None: 401. */
  authenticators: readonly Authenticator[];
  /** Asked in order; the first that allows or denies wins. None: 403. */
  authorizers: readonly Authorizer[];
  /** Asked in order for every path that is no resource. */
  nonResourceHandlers: readonly NonResourceHandler[];
  /**
   * POST endpoints of things that are not stored, by `<group>/<resource>[/<subresource>]`, '' for the core group:
   * `authentication.k8s.io/tokenreviews`, `/serviceaccounts/token`.
   */
  extensionEndpoints: ReadonlyMap<string, ExtensionEndpoint>;
  listeners: readonly ListenerOptions[];
  limits?: Partial<RequestLimits>;
  metrics?: RequestMetrics;
  /** Absent: the two in-flight limits instead. */
  flowControl?: FlowControl;
  /** Absent: nothing is recorded. */
  auditor?: Auditor;
  clock: Clock;
  random: () => number;
  log: Logger;
}

/** `object` is the decoded body, defaulted; what is returned is sent with 201. */
export type ExtensionEndpoint = (
  request: ApiRequest,
  object: KubeObject,
  context: WriteContext,
) => Promise<KubeObject> | KubeObject;

export interface ListenerOptions {
  host: string;
  /** 0: any free one; see `ApiServer.addresses`. */
  port: number;
  /** Absent: plain HTTP. */
  tls?: TlsOptions;
  /** Serves this listener instead of the whole chain, such as health alone on a plain port. */
  handler?: Handler;
}

export interface TlsOptions {
  key: string | Buffer;
  cert: string | Buffer;
  /** Client certificates are asked for, and verified against these. */
  clientCa?: string | Buffer;
}

export interface RequestLimits {
  /** Long-running requests (watches, streams) do not count. 0: no limit. */
  maxRequestsInflight: number;
  maxMutatingRequestsInflight: number;
  requestTimeoutMs: number;
  /** Watches without timeoutSeconds last between this and twice this. */
  minRequestTimeoutMs: number;
  maxBodyBytes: number;
}

export const defaultLimits: RequestLimits = {
  maxRequestsInflight: 400,
  maxMutatingRequestsInflight: 200,
  requestTimeoutMs: 60_000,
  minRequestTimeoutMs: 1_800_000,
  maxBodyBytes: 3 * 1024 * 1024,
};

export interface ApiServer {
  /** Resolves when every listener is bound; rejects with an OperatorError if one cannot be. */
  start(): Promise<void>;
  /** No new connections, GOAWAY, watches end after a last bookmark, the rest may finish for `gracefulMs`; then cut. */
  stop(gracefulMs: number): Promise<void>;
  /** Where each listener is bound, in the order of the options. */
  addresses(): { host: string; port: number }[];
  /** The whole handler chain, for callers in the same process. */
  readonly handler: Handler;
}

export function createApiServer(options: ApiServerOptions): ApiServer {
  const limits = { ...defaultLimits, ...options.limits };
  const handler = createHandler({ ...options, limits });
  const open: ServerListener[] = [];
  return {
    handler,
    async start() {
      for (const listener of options.listeners) {
        open.push(
          await openListener(listener, listener.handler ?? handler, {
            maxBodyBytes: limits.maxBodyBytes,
            log: options.log,
          }),
        );
      }
    },
    async stop(gracefulMs) {
      await Promise.all(open.map((l) => l.close(gracefulMs, options.clock)));
    },
    addresses: () => open.map((l) => l.address()),
  };
}
