/** A request and its answer on one HTTP/2 stream, by node:http2's stream API. */
import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { ApiResponse, PeerCertificate, ResponseSink } from '../request.ts';
import { batches } from './batches.ts';
import { ServerRequest } from './server-request.ts';

export function http2Request(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  peer: { remoteAddress: string; certificate: PeerCertificate | undefined },
  maxBodyBytes: number,
): ServerRequest {
  return new ServerRequest(headers[':method']!, headers[':path'] ?? '/', headers, peer, stream, stream, maxBodyBytes);
}

export function respondHttp2(stream: ServerHttp2Stream, response: ApiResponse, method: string): void {
  if (stream.destroyed || stream.closed) return;
  const headers = (response.headers ?? {}) as OutgoingHttpHeaders;
  headers[':status'] = response.status;
  if (response.stream) {
    stream.respond(headers);
    response.stream(new Http2Sink(stream));
    return;
  }
  const body = response.body;
  if (body === undefined || method === 'HEAD') {
    stream.respond(headers, { endStream: true });
  } else if (typeof body === 'string' || Buffer.isBuffer(body)) {
    headers['content-length'] = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    stream.respond(headers);
    stream.end(body);
  } else {
    let length = 0;
    for (const part of body) length += part.length;
    headers['content-length'] = length;
    stream.respond(headers);
    for (const batch of batches(body)) stream.write(batch);
    stream.end();
  }
}

class Http2Sink implements ResponseSink {
  readonly #stream: ServerHttp2Stream;

  constructor(stream: ServerHttp2Stream) {
    this.#stream = stream;
  }

  write(chunk: Buffer | string): boolean {
    const stream = this.#stream;
    return !stream.destroyed && !stream.writableEnded && stream.write(chunk);
  }

  onDrain(fn: () => void): void {
    this.#stream.on('drain', fn);
  }

  end(): void {
    this.#stream.end();
  }

  get bufferedBytes(): number {
    return this.#stream.writableLength;
  }
}
