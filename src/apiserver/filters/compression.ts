import { promisify } from 'node:util';
import { gzip as gzipCallback } from 'node:zlib';
import type { ApiResponse, Filter, StreamedBody } from '../request.ts';

/** Smaller answers travel faster than they compress. Upstream's figures. */
const compressibleBytesMin = 128 * 1024;
const level = 1;
const gzip = promisify(gzipCallback);

/** Large answers of get and list, for clients that take gzip. */
export const compression: Filter = (request, next) => {
  const { verb } = request.info;
  const mayCompress = (verb === 'get' || verb === 'list') && acceptsGzip(request.headers['accept-encoding']);
  return mayCompress ? compressed(request, next) : next(request);
};

const compressed: Filter = async (request, next) => {
  const response = await next(request);
  if (response.body === undefined || response.status !== 200) return response;
  if (sizeOf(response.body) < compressibleBytesMin) return response;
  if (response.headers?.['content-encoding'] !== undefined) return response;
  const body = await gzip(joined(response.body), { level });
  return { ...response, headers: { ...response.headers, 'content-encoding': 'gzip', vary: 'Accept-Encoding' }, body };
};

function sizeOf(body: NonNullable<ApiResponse['body']>): number {
  if (typeof body === 'string' || Buffer.isBuffer(body)) return body.length;
  if ('read' in body) return body.byteLength;
  let size = 0;
  for (const part of body) size += part.length;
  return size;
}

function joined(body: NonNullable<ApiResponse['body']>): Buffer | string {
  if (typeof body === 'string' || Buffer.isBuffer(body)) return body;
  return 'read' in body ? readAll(body) : Buffer.concat(body);
}

function readAll(body: StreamedBody): Buffer {
  const all = Buffer.allocUnsafeSlow(body.byteLength);
  for (let at = 0; at < all.length; ) at += body.read(all.subarray(at));
  return all;
}

function acceptsGzip(header: string | string[] | undefined): boolean {
  return typeof header === 'string' && header.split(',').some((part) => part.trim().split(';')[0] === 'gzip');
}
