import { promisify } from 'node:util';
import { gzip as gzipCallback } from 'node:zlib';
import type { ApiResponse, Filter } from '../request.ts';

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
  let size = 0;
  for (const part of body) size += part.length;
  return size;
}

function joined(body: NonNullable<ApiResponse['body']>): Buffer | string {
  return typeof body === 'string' || Buffer.isBuffer(body) ? body : Buffer.concat(body);
}

function acceptsGzip(header: string | string[] | undefined): boolean {
  return typeof header === 'string' && header.split(',').some((part) => part.trim().split(';')[0] === 'gzip');
}
