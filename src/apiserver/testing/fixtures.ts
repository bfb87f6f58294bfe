/** A whole server on a free port over an etcd in memory, and a client for each protocol. */
import http2, { type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2';
import https from 'node:https';
import type { TestContext } from 'node:test';
import type { KubeObject } from '#apimachinery/object.ts';
import { scheme } from '#apis/scheme.ts';
import { selfSigned } from '#base/certificates.ts';
import type { Clock } from '#base/clock.ts';
import { type Logger, silentLogger } from '#base/log.ts';
import { realClock } from '#os/real-clock.ts';
import { FakeEtcd } from '#storage/testing/fake-etcd.ts';
import { startBackend } from '#storage/testing/fixtures.ts';
import type { AdmissionChain } from '../admission/admission.ts';
import { createRegistry } from '../registry/create-registry.ts';
import type { Registry } from '../registry/registry.ts';
import type { Authorizer, UserInfo } from '../request.ts';
import { type ApiServer, type ApiServerOptions, createApiServer } from '../server.ts';

export const servingPair = await selfSigned('apiserver', [], realClock);

/** Token → user. */
export const users: Record<string, UserInfo> = {
  admin: { name: 'admin', groups: ['system:masters'] },
  alice: { name: 'alice', groups: ['dev'] },
};

export interface TestServerOptions extends Partial<Omit<ApiServerOptions, 'registry' | 'listeners'>> {
  admission?: AdmissionChain;
  clock?: Clock;
  log?: Logger;
  clientCa?: string;
  /** Shared with another server. */
  etcd?: FakeEtcd;
}

export interface TestServer {
  readonly server: ApiServer;
  readonly registry: Registry;
  readonly etcd: FakeEtcd;
  readonly port: number;
  /** HTTP/2, one connection. */
  readonly h2: Client;
  readonly h1: Client;
  stop(): Promise<void>;
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  body: any;
}

export interface RequestOptions {
  body?: unknown;
  headers?: Record<string, string>;
  token?: string;
}

export type Client = (method: string, path: string, options?: RequestOptions) => Promise<Answer>;

export const noAdmission: AdmissionChain = { admit() {}, validate() {} };
export const allowAll: Authorizer = { name: 'all', authorize: () => ({ decision: 'allow' }) };

export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const {
    admission = noAdmission,
    clock = realClock,
    log = silentLogger,
    clientCa,
    etcd = new FakeEtcd(),
    ...rest
  } = options;
  const backend = startBackend(etcd);
  const stopping = new AbortController();
  const registry = createRegistry({
    scheme,
    backend,
    admission,
    clock,
    random: Math.random,
    signal: stopping.signal,
  });
  const server = createApiServer({
    registry,
    authenticators: [{ name: 'token', authenticate: (r) => users[(r.headers.authorization ?? '').slice(7)] }],
    authorizers: [allowAll],
    nonResourceHandlers: [],
    extensionEndpoints: new Map(),
    listeners: [
      { host: '127.0.0.1', port: 0, tls: { ...servingPair, ...(clientCa === undefined ? {} : { clientCa }) } },
    ],
    clock,
    random: Math.random,
    log,
    ...rest,
  });
  await server.start();
  const port = server.addresses()[0]!.port;
  const session = openSession(port);
  return {
    server,
    registry,
    etcd,
    port,
    h2: (method, path, request) => requestHttp2(session, method, path, request),
    h1: (method, path, request) => requestHttp1(port, method, path, request),
    async stop() {
      session.destroy();
      stopping.abort();
      await server.stop(0);
      await backend.stop();
    },
  };
}

export function openSession(port: number, client?: { cert: string; key: string }): ClientHttp2Session {
  const session = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false, ...client });
  session.on('error', () => {});
  return session;
}

/** Stopped when the test ends, however it ends. */
export async function startedFor(context: TestContext, options: TestServerOptions = {}): Promise<TestServer> {
  const server = await startTestServer(options);
  context.after(() => server.stop());
  return server;
}

function headersOf({ body, headers, token = 'admin' }: RequestOptions): Record<string, string> {
  return {
    authorization: `Bearer ${token}`,
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...headers,
  };
}

function textOf(body: unknown): string | undefined {
  return body === undefined || typeof body === 'string' ? (body as string | undefined) : JSON.stringify(body);
}

function answerOf(status: number, headers: IncomingHttpHeaders, text: string): Answer {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {}
  return { status, headers, text, body };
}

export function requestHttp2(
  session: ClientHttp2Session,
  method: string,
  path: string,
  options: RequestOptions = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request(
      { ':method': method, ':path': path, ...headersOf(options) },
      { endStream: options.body === undefined },
    );
    let headers: IncomingHttpHeaders = {};
    let text = '';
    stream.setEncoding('utf8');
    stream.on('response', (h) => {
      headers = h;
    });
    stream.on('data', (chunk: string) => {
      text += chunk;
    });
    stream.on('end', () => resolve(answerOf(Number(headers[':status']), headers, text)));
    stream.on('error', reject);
    if (options.body !== undefined) stream.end(textOf(options.body));
  });
}

function requestHttp1(port: number, method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = https.request(
      { host: '127.0.0.1', port, method, path, headers: headersOf(options), rejectUnauthorized: false, agent: false },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => resolve(answerOf(response.statusCode!, response.headers, text)));
        response.on('error', reject);
      },
    );
    request.on('error', reject);
    request.end(textOf(options.body));
  });
}

/** Events of a watch, as they come. */
export interface WatchClient {
  readonly events: { type: string; object: KubeObject }[];
  readonly ended: Promise<void>;
  isEnded(): boolean;
  close(): void;
}

export function openWatch(session: ClientHttp2Session, path: string, options: RequestOptions = {}): WatchClient {
  const stream = session.request({ ':method': 'GET', ':path': path, ...headersOf(options) }, { endStream: true });
  const events: WatchClient['events'] = [];
  let rest = '';
  let isEnded = false;
  stream.setEncoding('utf8');
  stream.on('error', () => {});
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines) events.push(JSON.parse(line));
  });
  const ended = new Promise<void>((resolve) => {
    stream.on('close', () => {
      isEnded = true;
      resolve();
    });
  });
  return { events, ended, isEnded: () => isEnded, close: () => stream.close() };
}

export function configMap(name: string, data: Record<string, string> = {}, labels?: Record<string, string>) {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...(labels ? { labels } : {}) }, data };
}
