/** A request and its answer on one HTTP/2 stream, by node:http2's stream API. */
import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { ApiResponse, ResponseSink } from '../request.ts';
import { writeParts } from './parts.ts';
import type { Peer } from './peer-certificate.ts';
import { ServerRequest } from './server-request.ts';
import { writeStreamedBody } from './streamed-body.ts';

export function http2Request(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  peer: Peer,
  maxBodyBytes: number,
): ServerRequest {
  return new ServerRequest(headers[':method']!, headers[':path'] ?? '/', headers, peer, stream, stream, maxBodyBytes);
}

export function respondHttp2(stream: ServerHttp2Stream, response: ApiResponse, method: string): void {
  if (stream.destroyed || stream.closed) return;
  if (!stream.endAfterHeaders && !stream.readableEnded) stopBody(stream);
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
  } else if ('read' in body) {
    headers['content-length'] = body.byteLength;
    stream.respond(headers);
    writeStreamedBody(stream, body);
  } else {
    let length = 0;
    for (const part of body) length += part.length;
    headers['content-length'] = length;
    stream.respond(headers);
    writeParts(stream, body, length);
  }
}

/** A body that nobody reads (refused before, too large, too slow) would hold its buffers for as long as the client likes. */
function stopBody(stream: ServerHttp2Stream): void {
  stream.once('finish', () => stream.close(constants.NGHTTP2_NO_ERROR));
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
