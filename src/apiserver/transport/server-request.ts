import { randomUUID } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { apiErrors } from '#apimachinery/status-error.ts';
import type { ResourceInfo } from '#apis/kind.ts';
import type { BagItem } from '#base/bag.ts';
import type { ApiRequest, PeerCertificate, RequestAudit, RequestInfo, RequestUrl, UserInfo } from '../request.ts';
import type { Peer } from './peer-certificate.ts';

/** One request of either protocol. What most requests never ask for (query, body, signal) is made when asked for. */
export class ServerRequest implements ApiRequest, BagItem {
  readonly method: string;
  readonly url: RequestUrl;
  readonly headers: IncomingHttpHeaders;
  readonly remoteAddress: string;
  readonly peerCertificate: PeerCertificate | undefined;
  readonly peerCertificateError: string | undefined;
  readonly bodyStream: Readable;
  info: RequestInfo = noInfo;
  user: UserInfo | undefined = undefined;
  resource: ResourceInfo | undefined = undefined;
  warnings: string[] = [];
  flow: ApiRequest['flow'] = undefined;
  onWatchLive: (() => void) | undefined = undefined;
  audit: RequestAudit | undefined = undefined;
  bagIndex = -1;
  readonly #maxBodyBytes: number;
  /** Emits 'close' when the client has gone or the exchange is over. */
  readonly #exchange: EventEmitter;
  #body: Promise<Buffer> | undefined = undefined;
  #abort: AbortController | undefined = undefined;
  #abortReason: unknown = undefined;
  #auditId: string | undefined = undefined;

  constructor(
    method: string,
    target: string,
    headers: IncomingHttpHeaders,
    peer: Peer,
    bodyStream: Readable,
    exchange: EventEmitter,
    maxBodyBytes: number,
  ) {
    this.method = method;
    this.url = parseTarget(target);
    this.headers = headers;
    this.remoteAddress = peer.remoteAddress;
    this.peerCertificate = peer.certificate;
    this.peerCertificateError = peer.certificateError;
    this.bodyStream = bodyStream;
    this.#exchange = exchange;
    this.#maxBodyBytes = maxBodyBytes;
  }

  get auditId(): string {
    if (this.#auditId === undefined) {
      const sent = this.headers['audit-id'];
      this.#auditId = typeof sent === 'string' && sent !== '' ? sent : randomUUID();
    }
    return this.#auditId;
  }

  readBody(): Promise<Buffer> {
    this.#body ??= readAll(this.bodyStream, this.#maxBodyBytes);
    return this.#body;
  }

  get signal(): AbortSignal {
    if (!this.#abort) {
      this.#abort = new AbortController();
      if (this.#abortReason !== undefined) this.#abort.abort(this.#abortReason);
      else this.#exchange.once('close', () => this.#abort!.abort(clientGone));
    }
    return this.#abort.signal;
  }

  /** Deadline or shut-down. */
  abort(reason: unknown): void {
    this.#abortReason ??= reason;
    this.#abort?.abort(this.#abortReason);
  }
}

const clientGone = new Error('the client closed the request');

const noInfo: RequestInfo = {
  isResourceRequest: false,
  verb: '',
  path: '',
  apiPrefix: '',
  group: '',
  version: '',
  namespace: '',
  resource: '',
  subresource: '',
  name: '',
  parts: [],
};

/** `/path?query`; the query is parsed when someone looks. */
class Target implements RequestUrl {
  readonly pathname: string;
  readonly search: string;
  #params: URLSearchParams | undefined = undefined;

  constructor(pathname: string, search: string) {
    this.pathname = pathname;
    this.search = search;
  }

  get searchParams(): URLSearchParams {
    this.#params ??= new URLSearchParams(this.search);
    return this.#params;
  }
}

export function parseTarget(target: string): RequestUrl {
  const query = target.indexOf('?');
  const path = query < 0 ? target : target.slice(0, query);
  const search = query < 0 ? '' : target.slice(query);
  if (path.startsWith('/')) return new Target(path, search);
  // A proxy's absolute form, `GET http://host/path`, or `OPTIONS *`.
  const scheme = path.indexOf('://');
  const slash = scheme < 0 ? -1 : path.indexOf('/', scheme + 3);
  return new Target(slash < 0 ? '/' : path.slice(slash), search);
}

function readAll(stream: Readable, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    stream.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxBytes) chunks.push(chunk);
      else reject(apiErrors.requestEntityTooLarge(`limit is ${maxBytes}`));
      // It had its answer, and the time to read it.
      if (size > 4 * maxBytes) stream.destroy();
    });
    stream.on('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
    stream.on('error', reject);
    stream.on('aborted', () => reject(clientGone));
    stream.on('close', () => reject(clientGone));
  });
}
