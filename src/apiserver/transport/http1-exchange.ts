/** A request and its answer on an HTTP/1.1 connection. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ApiResponse, ResponseSink } from '../request.ts';
import { writeParts } from './parts.ts';
import type { Peer } from './peer-certificate.ts';
import { ServerRequest } from './server-request.ts';
import { writeStreamedBody } from './streamed-body.ts';

export function http1Request(
  message: IncomingMessage,
  response: ServerResponse,
  peer: Peer,
  maxBodyBytes: number,
): ServerRequest {
  return new ServerRequest(
    message.method ?? 'GET',
    message.url ?? '/',
    message.headers,
    peer,
    message,
    response,
    maxBodyBytes,
  );
}

export function respondHttp1(out: ServerResponse, response: ApiResponse): void {
  if (out.destroyed || out.headersSent) return;
  const headers = response.headers ?? {};
  if (response.stream) {
    out.writeHead(response.status, headers);
    out.flushHeaders();
    response.stream(new Http1Sink(out));
    return;
  }
  const body = response.body;
  if (body === undefined || typeof body === 'string' || Buffer.isBuffer(body)) {
    headers['content-length'] = body === undefined ? 0 : Buffer.byteLength(body);
    out.writeHead(response.status, headers);
    out.end(body);
    return;
  }
  if ('read' in body) {
    headers['content-length'] = body.byteLength;
    out.writeHead(response.status, headers);
    writeStreamedBody(out, body);
    return;
  }
  let length = 0;
  for (const part of body) length += part.length;
  headers['content-length'] = length;
  out.writeHead(response.status, headers);
  writeParts(out, body, length);
}

class Http1Sink implements ResponseSink {
  readonly #out: ServerResponse;

  constructor(out: ServerResponse) {
    this.#out = out;
  }

  write(chunk: Buffer | string): boolean {
    const out = this.#out;
    return !out.destroyed && !out.writableEnded && out.write(chunk);
  }

  onDrain(fn: () => void): void {
    this.#out.on('drain', fn);
  }

  end(): void {
    this.#out.end();
  }

  get bufferedBytes(): number {
    return this.#out.writableLength;
  }
}
