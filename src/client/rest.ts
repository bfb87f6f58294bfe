/** The ApiClient over HTTP/2: makes paths and bodies, reads answers, turns refusals into StatusErrors. */
import type { Readable } from 'node:stream';
import type { GroupVersionResource } from '#apimachinery/group-version.ts';
import type { KubeList, KubeObject } from '#apimachinery/object.ts';
import { type Status, StatusError, type StatusReason } from '#apimachinery/status-error.ts';
import { type Clock, sleep } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import type {
  ApiClient,
  DeleteParams,
  ListParams,
  PatchType,
  RawOptions,
  RawResponse,
  ResourceClient,
  WatchEvent,
  WatchParams,
} from './client.ts';
import type { ClientConfig } from './kubeconfig.ts';
import { queryString, resourcePath } from './resource-path.ts';
import { ConnectionError, Http2Transport, type TransportResponse } from './transport.ts';
import { readWatchEvents } from './watch-stream.ts';

export interface ClientOptions {
  clock: Clock;
  log: Logger;
  /** As `kube-scheduler/leader-election`: the server's audit and priority levels see it. */
  userAgent: string;
  /** Until an answer is complete. Default 30 s. */
  timeoutMs?: number;
}

const defaultTimeoutMs = 30_000;
/** "Too many requests" and "unavailable, come back later" are retried this often, within the time-out. */
const retriesMax = 5;
const responseBytesMax = 512 << 20;

/** Over one connection, also for several identities: see `withBearerToken`. */
export interface RestApiClient extends ApiClient {
  /** The same connection, used by somebody else: `token` is asked before each request. Closing it closes nothing. */
  withBearerToken(token: () => Promise<string>, userAgent: string): ApiClient;
}

export function createClient(config: ClientConfig, options: ClientOptions): RestApiClient {
  return new RestClient(config, options, new Http2Transport(config, options.clock, options.log));
}

class RestClient implements RestApiClient {
  #transport: Http2Transport;
  #options: ClientOptions;
  #headers: Record<string, string>;
  #token: (() => Promise<string>) | undefined;

  constructor(config: ClientConfig, options: ClientOptions, transport: Http2Transport, token?: () => Promise<string>) {
    this.#transport = transport;
    this.#token = token;
    this.#options = options;
    this.#headers = {
      accept: 'application/json',
      'user-agent': options.userAgent,
      ...(config.token ? { authorization: `Bearer ${config.token}` } : {}),
    };
  }

  withBearerToken(token: () => Promise<string>, userAgent: string): ApiClient {
    return new RestClient({ server: '' }, { ...this.#options, userAgent }, this.#transport, token);
  }

  resource<T extends KubeObject>(gvr: GroupVersionResource, namespace = ''): ResourceClient<T> {
    return new RestResourceClient<T>(this, gvr, namespace);
  }

  async raw(method: string, path: string, options: RawOptions = {}): Promise<RawResponse> {
    const { clock } = this.#options;
    const timeoutMs = options.timeoutMs ?? this.#options.timeoutMs ?? defaultTimeoutMs;
    const deadline = clock.monotonic() + timeoutMs;
    for (let attempt = 0; ; attempt++) {
      const response = await this.#send(method, path, options, Math.max(1, deadline - clock.monotonic()));
      const body = await this.#body(response, Math.max(1, deadline - clock.monotonic()), options.signal);
      if (response.status < 400) return { status: response.status, headers: response.headers, body };
      const waitMs = retryAfterMs(response);
      if (waitMs === undefined || attempt === retriesMax || clock.monotonic() + waitMs >= deadline) {
        throw statusErrorOf(response.status, body);
      }
      await sleep(clock, waitMs, options.signal);
      options.signal?.throwIfAborted();
    }
  }

  async *stream<T extends KubeObject>(path: string, signal?: AbortSignal): AsyncGenerator<WatchEvent<T>> {
    const timeoutMs = this.#options.timeoutMs ?? defaultTimeoutMs;
    let response: TransportResponse | undefined;
    try {
      response = await this.#send('GET', path, signal ? { signal } : {}, timeoutMs);
      if (response.status >= 400) throw statusErrorOf(response.status, await this.#body(response, timeoutMs, signal));
      yield* readWatchEvents<T>(response.stream as Readable);
    } catch (error) {
      if (signal?.aborted) return;
      throw error instanceof StatusError || error instanceof ConnectionError
        ? error
        : new ConnectionError('the watch was cut off', { cause: error });
    } finally {
      response?.stream.destroy();
    }
  }

  close(): void {
    if (!this.#token) this.#transport.close();
  }

  async #send(method: string, path: string, options: RawOptions, timeoutMs: number): Promise<TransportResponse> {
    const headers = { ...this.#headers, ...options.headers };
    if (this.#token) headers['authorization'] = `Bearer ${await this.#token()}`;
    const { body, signal } = options;
    if (body === undefined)
      return this.#transport.request({ method, path, headers, timeoutMs, ...(signal && { signal }) });
    headers['content-type'] ??= 'application/json';
    const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
    headers['content-length'] = String(bytes.length);
    return this.#transport.request({ method, path, headers, body: bytes, timeoutMs, ...(signal && { signal }) });
  }

  async #body(response: TransportResponse, timeoutMs: number, signal?: AbortSignal): Promise<string> {
    const chunks: Buffer[] = [];
    let size = 0;
    const timer = this.#options.clock.setTimer(timeoutMs, () => response.stream.destroy(new Error('timed out')));
    try {
      for await (const chunk of response.stream as AsyncIterable<Buffer>) {
        chunks.push(chunk);
        size += chunk.length;
        if (size > responseBytesMax) throw new Error(`the answer is longer than ${responseBytesMax} bytes`);
      }
    } catch (error) {
      signal?.throwIfAborted();
      throw new ConnectionError('the answer was cut off', { cause: error });
    } finally {
      timer.cancel();
    }
    return (chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size)).toString('utf8');
  }
}

class RestResourceClient<T extends KubeObject> implements ResourceClient<T> {
  #client: RestClient;
  #gvr: GroupVersionResource;
  #namespace: string;

  constructor(client: RestClient, gvr: GroupVersionResource, namespace: string) {
    this.#client = client;
    this.#gvr = gvr;
    this.#namespace = namespace;
  }

  get(name: string, params: { resourceVersion?: string; signal?: AbortSignal } = {}): Promise<T> {
    const { signal, ...query } = params;
    return this.#json('GET', this.#path(name) + queryString(query), signal ? { signal } : {});
  }

  async list(params: ListParams = {}): Promise<KubeList<T>> {
    const { signal, ...query } = params;
    const path = this.#path() + queryString({ ...query });
    const list = await this.#json<KubeList<T>>('GET', path, signal ? { signal } : {});
    list.items ??= [];
    // Upstream leaves kind and apiVersion out of a list's items; handlers of a watch and of a list should see the same.
    const kind = list.kind.replace(/List$/, '');
    for (const item of list.items) {
      item.kind ??= kind as T['kind'];
      item.apiVersion ??= list.apiVersion as T['apiVersion'];
    }
    return list;
  }

  watch(params: WatchParams = {}): AsyncIterable<WatchEvent<T>> {
    const { signal, ...query } = params;
    const match = params.sendInitialEvents === undefined ? undefined : 'NotOlderThan';
    const path = this.#path() + queryString({ watch: true, ...query, resourceVersionMatch: match });
    return this.#client.stream<T>(path, signal);
  }

  create(object: T, params: { fieldManager?: string } = {}): Promise<T> {
    return this.#json('POST', this.#path() + queryString(params), { body: object });
  }

  update(object: T): Promise<T> {
    return this.#json('PUT', this.#path(object.metadata.name), { body: object });
  }

  updateStatus(object: T): Promise<T> {
    return this.#json('PUT', this.#path(object.metadata.name, 'status'), { body: object });
  }

  patch(
    name: string,
    type: PatchType,
    patch: unknown,
    params: { subresource?: string; fieldManager?: string; force?: boolean } = {},
  ): Promise<T> {
    const { subresource, ...query } = params;
    const path = this.#path(name, subresource) + queryString(query);
    return this.#json('PATCH', path, { body: patch, headers: { 'content-type': type } });
  }

  async delete(name: string, params: DeleteParams = {}): Promise<void> {
    await this.#client.raw('DELETE', this.#path(name), { body: deleteOptions(params) });
  }

  async deleteCollection(params: ListParams & DeleteParams = {}): Promise<void> {
    const { gracePeriodSeconds, propagationPolicy, preconditions, signal, ...query } = params;
    const body = deleteOptions({
      ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
      ...(propagationPolicy && { propagationPolicy }),
      ...(preconditions && { preconditions }),
    });
    await this.#client.raw('DELETE', this.#path() + queryString({ ...query }), { body, ...(signal && { signal }) });
  }

  subresource<R>(method: 'GET' | 'POST' | 'PUT', name: string, subresource: string, body?: unknown): Promise<R> {
    return this.#json(method, this.#path(name, subresource), body === undefined ? {} : { body });
  }

  #path(name?: string, subresource?: string): string {
    return resourcePath(this.#gvr, this.#namespace, name, subresource);
  }

  async #json<R = T>(method: string, path: string, options: RawOptions): Promise<R> {
    return JSON.parse((await this.#client.raw(method, path, options)).body) as R;
  }
}

function deleteOptions(params: DeleteParams): unknown {
  return { kind: 'DeleteOptions', apiVersion: 'v1', ...params };
}

/** Set only when the server asks to come back: 429, or 5xx with Retry-After. */
function retryAfterMs(response: TransportResponse): number | undefined {
  const seconds = Number(response.headers['retry-after'] ?? Number.NaN);
  if (response.status !== 429 && response.status < 500) return undefined;
  return Number.isFinite(seconds) ? Math.max(0, seconds) * 1000 : undefined;
}

function statusErrorOf(code: number, body: string): StatusError {
  try {
    const status = JSON.parse(body) as Status;
    if (status?.kind === 'Status') return new StatusError({ ...status, code: status.code ?? code });
  } catch {
    // Not a Status: a proxy's page, or text.
  }
  const reason = reasonOfCode[code];
  const text = body.trim().slice(0, 500);
  return new StatusError({
    code,
    message: text === '' ? `the server answered ${code}` : text,
    ...(reason && { reason }),
  });
}

const reasonOfCode: Partial<Record<number, StatusReason>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  406: 'NotAcceptable',
  409: 'Conflict',
  410: 'Gone',
  413: 'RequestEntityTooLarge',
  415: 'UnsupportedMediaType',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};
