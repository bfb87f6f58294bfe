import type { ListMeta } from '#apimachinery/object.ts';
import { apiErrors } from '#apimachinery/status-error.ts';
import type { ListResult } from '#storage/storage.ts';
import { negotiate } from '../content/accept.ts';
import { listResponse } from '../content/encode.ts';
import type { ApiRequest } from '../request.ts';
import type { Endpoint } from './endpoint.ts';
import { type ListQuery, parseListQuery, parseListRevision, validateListQuery } from './list-options.ts';
import type { ServedResource } from './served-resource.ts';

export const list: Endpoint = async (_context, request, served) => {
  const representation = negotiate(request, 'list');
  const query = parseListQuery(request, served);
  const result = await listEntries(request, served, query);
  return listResponse(request, served, result.entries, listMeta(result), representation);
};

export async function listEntries(request: ApiRequest, served: ServedResource, query: ListQuery): Promise<ListResult> {
  validateListQuery(query, false);
  const { resourceVersion, continueToken, match, limit, prefix, filter } = query;
  if (continueToken !== '' && resourceVersion !== '' && resourceVersion !== '0') {
    throw apiErrors.badRequest('specifying resource version is not allowed when using continue');
  }
  const revision = continueToken === '' ? parseListRevision(resourceVersion) : undefined;
  return served.registry!.storage.list({
    prefix,
    ...(filter ? { filter } : {}),
    ...(revision === undefined ? {} : { revision }),
    ...(match ? { match } : {}),
    ...(limit > 0 ? { limit } : {}),
    ...(continueToken === '' ? {} : { continueToken }),
    signal: request.signal,
  });
}

export function listMeta(result: ListResult): ListMeta {
  return {
    resourceVersion: String(result.revision),
    ...(result.continueToken === undefined ? {} : { continue: result.continueToken }),
    ...(result.remainingItemCount === undefined ? {} : { remainingItemCount: result.remainingItemCount }),
  };
}
