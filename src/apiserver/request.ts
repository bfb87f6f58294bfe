/**
 * What a request is on its way through the handler chain: built step by step by the filters, read by the endpoints.
 * One plain object per request with a fixed shape; a filter fills its own part and no other.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import type { KindDefinition, ResourceInfo } from '#apis/kind.ts';

export interface RequestInfo {
  isResourceRequest: boolean;
  /** Kubernetes' verb for resource requests (`get`, `list`, `watch`, …); the lower-case HTTP method otherwise. */
  verb: string;
  path: string;
  apiPrefix: '' | 'api' | 'apis';
  group: string;
  version: string;
  namespace: string;
  resource: string;
  subresource: string;
  name: string;
  /** Path segments after the resource's name and subresource (`proxy/…`). */
  parts: string[];
}

/** Who asks, after authentication and impersonation. */
export interface UserInfo {
  name: string;
  uid?: string;
  groups: string[];
  extra?: Record<string, string[]>;
}

export interface ApiRequest {
  readonly method: string;
  readonly url: RequestUrl;
  /** Lower-case names, as Node gives them; HTTP/2's pseudo-headers are among them. */
  readonly headers: IncomingHttpHeaders;
  readonly remoteAddress: string;
  /** PEM/DER facts of a verified client certificate, if one was shown. */
  readonly peerCertificate: PeerCertificate | undefined;
  /** One was shown that is not to be believed: another authority's, expired, not for clients. Why. */
  readonly peerCertificateError?: string | undefined;
  /** The unread body. Endpoints call `readBody`, which enforces the limit. */
  readonly bodyStream: Readable;
  readBody(): Promise<Buffer>;
  /** Aborts when the client went away, the deadline passed, or the server is shutting down (watches). */
  readonly signal: AbortSignal;
  readonly auditId: string;
  info: RequestInfo;
  user: UserInfo | undefined;
  /** The resource of `info`, if it is one we serve. */
  resource: ResourceInfo | undefined;
  /** Texts for Warning headers, added by anyone on the way. */
  warnings: string[];
  /** The flow schema and priority level that serve it; said in its answer. */
  flow: { schemaUid: string; levelUid: string } | undefined;
  /** Of a watch: called when its initial state is sent, or it is over before that. */
  onWatchLive: (() => void) | undefined;
  /** Undefined: the request is not recorded. */
  audit: RequestAudit | undefined;
}

/** What is told to the audit log about a request, by whoever knows it. */
export interface RequestAudit {
  /** What was said first of a key stays. */
  annotate(key: string, value: string): void;
  impersonate(user: UserInfo): void;
  /** The decoded body, before anything changes it; recorded with its defaults. */
  requestObject(object: object, kind?: Pick<KindDefinition, 'setDefaults'>): void;
  requestPatch(patch: unknown): void;
  /** The answer's object is recorded as well. */
  readonly wantsResponse: boolean;
  responseObject(response: ApiResponse): Promise<void>;
}

/** What of a URL a handler needs: a URL's own names, but the query is parsed only when it is asked for. */
export interface RequestUrl {
  /** Percent-encoded, as sent. */
  readonly pathname: string;
  /** With the `?`, or ''. */
  readonly search: string;
  readonly searchParams: URLSearchParams;
}

export interface PeerCertificate {
  commonName: string;
  organizations: string[];
  uid?: string;
  /** The end of its validity. */
  expiresAtMs?: number;
}

/** What is sent back; the server writes it to HTTP/1.1 or HTTP/2. */
export interface ApiResponse {
  status: number;
  headers?: Record<string, string | number>;
  /** Ready bytes; parts are written in order without being joined. */
  body?: Buffer | string | readonly Buffer[] | StreamedBody;
  /** Instead of `body`: takes over the stream until it ends (watch, exec). */
  stream?: (sink: ResponseSink) => void;
}

/** A large body of known length, made as the client takes it. Once: it cannot be read anew. */
export interface StreamedBody {
  readonly byteLength: number;
  /** The next bytes, from the start of `into`; 0 when there are no more. `into` has room for two bytes at least. */
  read(into: Buffer): number;
}

export interface ResponseSink {
  /** False when the client does not keep up: wait for `onDrain`, or end. */
  write(chunk: Buffer | string): boolean;
  onDrain(fn: () => void): void;
  end(): void;
  readonly bufferedBytes: number;
}

export type Handler = (request: ApiRequest) => Promise<ApiResponse>;

/** A filter does its part and calls `next(request)`, answers by itself, or throws a StatusError. */
export type Filter = (request: ApiRequest, next: Handler) => Promise<ApiResponse>;

/** Serves paths that are no resources (discovery, health, openapi, metrics); undefined: not mine. */
export type NonResourceHandler = (request: ApiRequest) => Promise<ApiResponse | undefined>;

/** `undefined`: no credentials of this kind. Throws StatusError Unauthorized for bad ones. */
export interface Authenticator {
  readonly name: string;
  authenticate(request: ApiRequest): Promise<UserInfo | undefined> | UserInfo | undefined;
}

export type Decision = { decision: 'allow' | 'deny' | 'no-opinion'; reason?: string };

export interface AuthorizationAttributes {
  user: UserInfo;
  verb: string;
  resourceRequest: boolean;
  group: string;
  version: string;
  resource: string;
  subresource: string;
  namespace: string;
  name: string;
  path: string;
}

export interface Authorizer {
  readonly name: string;
  authorize(attributes: AuthorizationAttributes): Promise<Decision> | Decision;
}
