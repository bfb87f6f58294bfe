import { apiErrors } from '#apimachinery/status-error.ts';
import { negotiate } from '../content/accept.ts';
import { entryResponse } from '../content/encode.ts';
import type { Endpoint } from './endpoint.ts';
import { namespaceOf } from './endpoint.ts';
import { parseGetRevision } from './list-options.ts';

export const get: Endpoint = async (_context, request, served) => {
  const representation = negotiate(request);
  const { storage, key } = served.registry!;
  const revision = request.url.search === '' ? undefined : parseGetRevision(request.url.searchParams);
  const path = key(namespaceOf(request, served), request.info.name);
  const entry = await (revision === undefined ? storage.get(path) : storage.get(path, { revision }));
  if (!entry) throw apiErrors.notFound(served.info, request.info.name);
  return entryResponse(request, served, entry, representation);
};
