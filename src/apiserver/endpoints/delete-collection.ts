import { isStatusError } from '#apimachinery/status-error.ts';
import type { StoredObject } from '#storage/storage.ts';
import { negotiate } from '../content/accept.ts';
import { listResponse } from '../content/encode.ts';
import { readDeleteOptions } from './delete-options.ts';
import { type Endpoint, isDryRun, writeContext } from './endpoint.ts';
import { listEntries, listMeta } from './list.ts';
import { parseListQuery } from './list-options.ts';

/** Each by itself, as upstream: one that cannot be deleted ends it, those before it are gone. */
export const deleteCollection: Endpoint = async (_context, request, served) => {
  const representation = negotiate(request, 'list');
  const write = writeContext(request);
  const { options, dryRun } = await readDeleteOptions(request);
  write.dryRun ||= isDryRun(dryRun, request);
  const found = await listEntries(request, served, parseListQuery(request, served));
  const deleted: StoredObject[] = [];
  for (const entry of found.entries) {
    const { namespace, name } = entry.object().metadata;
    try {
      await served.registry!.delete(write, namespace ?? '', name!, options);
      deleted.push(entry);
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
    }
  }
  return listResponse(request, served, deleted, listMeta(found), representation);
};
