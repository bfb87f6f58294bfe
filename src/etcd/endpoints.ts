/**
 * The members a client knows and the connection it uses. One is in use at a time; when it is away, the next one that
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
  client: Client;
}

export interface Endpoints {
  all: readonly Endpoint[];
  /** The one in use, if it is connected now. */
  ready(): Endpoint | undefined;
  /** Waits for a connection to any; EtcdError UNAVAILABLE (never sent) when none comes before the deadline. */
  connected(deadline: number, signal?: AbortSignal): Promise<Endpoint>;
  /** This one failed us: begin with the next. */
  avoid(endpoint: Endpoint): void;
  close(): void;
}

/** While connecting, how long one endpoint is waited for before the next is tried beside it. */
const nextEndpointAfterMs = 200;

export interface EndpointsOptions {
  endpoints: readonly string[];
  tls?: TlsOptions;
  clock: Clock;
  log: Logger;
  sendMessageBytesMax: number;
}

export function createEndpoints(options: EndpointsOptions): Endpoints {
  const { clock, log } = options;
  const all = options.endpoints.map((url) => ({ url, client: connect(url, options) }));
  let current = 0;
  let isClosed = false;

  const stateOf = (endpoint: Endpoint, tryToConnect: boolean) => {
    try {
      return endpoint.client.getChannel().getConnectivityState(tryToConnect);
    } catch {
      return connectivityState.SHUTDOWN;
    }
  };

  return {
    all,
    ready() {
      const endpoint = all[current]!;
      return !isClosed && stateOf(endpoint, true) === connectivityState.READY ? endpoint : undefined;
    },
    async connected(deadline, signal) {
      for (let tried = 1; ; tried++) {
        if (isClosed) throw new EtcdError(Code.CANCELLED, 'the etcd client is closed', false);
        if (signal?.aborted) throw new EtcdError(Code.CANCELLED, 'the request was cancelled', false);
        const first = current;
        for (let i = 0; i < Math.min(tried, all.length); i++) {
          const at = (first + i) % all.length;
          if (stateOf(all[at]!, true) !== connectivityState.READY) continue;
          if (at !== current) log.info({ endpoint: all[at]!.url }, 'etcd endpoint chosen');
          current = at;
          return all[at]!;
        }
        const left = deadline - clock.now();
        if (left <= 0) {
          throw new EtcdError(Code.UNAVAILABLE, `no connection to etcd (${all.map((e) => e.url).join(', ')})`, false);
        }
        const newest = all[(first + Math.min(tried, all.length) - 1) % all.length]!;
        await stateChange(newest, Math.min(left, nextEndpointAfterMs), clock);
      }
    },
    avoid(endpoint) {
      if (all[current] === endpoint) current = (current + 1) % all.length;
    },
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
function connect(url: string, options: EndpointsOptions): Client {
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
