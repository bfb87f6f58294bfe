/**
 * The endpoints a client knows and the connection it uses. One is in use at a time; when it is away, the next one that
 * can be connected takes its place. A request is handed only to a connection that stands, so that a request which
 * finds none is known never to have been sent.
 */
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import { type ChannelOptions, Client, connectivityState, credentials } from '@grpc/grpc-js';
import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import { Code, EtcdError } from './etcd-error.ts';

export interface TlsOptions {
  ca: Buffer;
  cert?: Buffer;
  key?: Buffer;
}

export interface Endpoint {
  url: string;
  /** Used only while none of the others can be. */
  isFallback: boolean;
  client: Client;
}

export interface Endpoints {
  all: readonly Endpoint[];
  readonly current: Endpoint;
  /** The one in use, if it is connected now. */
  ready(): Endpoint | undefined;
  /** Waits for a connection to any; EtcdError UNAVAILABLE (never sent) when none comes before the deadline. */
  connected(deadline: number, signal?: AbortSignal): Promise<Endpoint>;
  /** Waits for a connection to this one, on the wall clock; false when none comes. */
  connect(endpoint: Endpoint, deadline: number): Promise<boolean>;
  /** This one failed us: begin with the next. */
  avoid(endpoint: Endpoint): void;
  use(endpoint: Endpoint): void;
  close(): void;
}

/** While connecting, how long one endpoint is waited for before the next is tried beside it. */
const nextEndpointAfterMs = 200;

export interface EndpointsOptions {
  endpoints: readonly string[];
  /** Where to turn when none of `endpoints` can be reached. */
  fallbackEndpoints?: readonly string[];
  tls?: TlsOptions;
  clock: Clock;
  log: Logger;
  sendMessageBytesMax: number;
}

export function createEndpoints(options: EndpointsOptions): Endpoints {
  const { clock, log } = options;
  const endpoint = (url: string, isFallback: boolean): Endpoint => ({
    url,
    isFallback,
    client: newConnection(url, options),
  });
  const all = [
    ...options.endpoints.map((url) => endpoint(url, false)),
    ...(options.fallbackEndpoints ?? []).map((url) => endpoint(url, true)),
  ];
  let current = all[0]!;
  let isClosed = false;

  const stateOf = ({ client }: Endpoint) => {
    try {
      return client.getChannel().getConnectivityState(true);
    } catch {
      return connectivityState.SHUTDOWN;
    }
  };

  /** In the order of trying: from this one on; those to fall back to come last, whichever this is. */
  function from(first: Endpoint): Endpoint[] {
    const at = all.indexOf(first);
    return [...all.slice(at), ...all.slice(0, at)].sort((a, b) => Number(a.isFallback) - Number(b.isFallback));
  }

  function use(endpoint: Endpoint): void {
    if (endpoint === current) return;
    log.info({ endpoint: endpoint.url, before: current.url }, 'etcd endpoint chosen');
    current = endpoint;
  }

  return {
    all,
    get current() {
      return current;
    },
    ready: () => (!isClosed && stateOf(current) === connectivityState.READY ? current : undefined),
    async connected(deadline, signal) {
      for (let tried = 1; ; tried++) {
        if (isClosed) throw new EtcdError(Code.CANCELLED, 'the etcd client is closed', false);
        if (signal?.aborted) throw new EtcdError(Code.CANCELLED, 'the request was cancelled', false);
        const candidates = from(current).slice(0, tried);
        const found = candidates.find((e) => stateOf(e) === connectivityState.READY);
        if (found) {
          use(found);
          return found;
        }
        const left = deadline - clock.now();
        if (left <= 0) {
          throw new EtcdError(Code.UNAVAILABLE, `no connection to etcd (${all.map((e) => e.url).join(', ')})`, false);
        }
        await stateChange(candidates.at(-1)!, Math.min(left, nextEndpointAfterMs), clock);
      }
    },
    async connect(endpoint, deadline) {
      for (;;) {
        const state = stateOf(endpoint);
        if (state === connectivityState.READY) return true;
        const left = deadline - clock.now();
        if (left <= 0 || isClosed || state === connectivityState.TRANSIENT_FAILURE) return false;
        await stateChange(endpoint, left, clock);
      }
    },
    avoid(endpoint) {
      if (endpoint === current) use(from(endpoint).find((e) => e !== endpoint) ?? endpoint);
    },
    use,
    close() {
      isClosed = true;
      for (const endpoint of all) endpoint.client.close();
    },
  };
}

function stateChange(endpoint: Endpoint, withinMs: number, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const channel = endpoint.client.getChannel();
    try {
      channel.watchConnectivityState(channel.getConnectivityState(true), clock.now() + withinMs, () => resolve());
    } catch {
      resolve(); // closed meanwhile: the caller looks again
    }
  });
}

/** `https://host:port` or `http://host:port`, as in --etcd-servers. */
function newConnection(url: string, options: EndpointsOptions): Client {
  const { protocol, host, hostname } = new URL(url);
  const { tls } = options;
  const channel = channelOptions(options.sendMessageBytesMax);
  if (protocol !== 'https:') return new Client(host, credentials.createInsecure(), channel);
  const address = hostname.replace(/^\[|\]$/g, '');
  const creds = credentials.createSsl(tls?.ca, tls?.key ?? null, tls?.cert ?? null, {
    checkServerIdentity: (_, certificate) => checkServerIdentity(address, certificate),
  });
  // TLS has no server name for an IP address, and Node refuses one; the certificate is checked against it all the same.
  return new Client(
    host,
    creds,
    isIP(address) ? { ...channel, 'grpc.ssl_target_name_override': 'localhost' } : channel,
  );
}

function channelOptions(sendMessageBytesMax: number): ChannelOptions {
  return {
    // A store that was restarted is found again quickly; trying costs next to nothing.
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 250,
    // etcd refuses pings more frequent than every 5 s.
    'grpc.keepalive_time_ms': 10_000,
    'grpc.keepalive_timeout_ms': 5_000,
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': sendMessageBytesMax,
    'grpc-node.flow_control_window': 4 * 1024 * 1024,
    'grpc.enable_retries': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_channelz': 0,
    'grpc.enable_http_proxy': 0,
  };
}
