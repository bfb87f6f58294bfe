import type { ListOptions, ListResult, ResourceCodec, StoredObject } from '../storage.ts';
import { continueAfter } from './continue-token.ts';
import { decodeEntry } from './entry.ts';
import { type EtcdKv, prefixEnd } from './kv.ts';

const pageKeysMin = 500;

export interface StoreListRequest extends Pick<ListOptions, 'prefix' | 'filter' | 'limit'> {
  /** Absent: the newest. */
  revision?: number;
  startKey?: string;
}

/** A list straight from the store: for revisions, and times, that the cache cannot serve. */
export async function listFromStore(
  kv: Pick<EtcdKv, 'range'>,
  codec: ResourceCodec,
  request: StoreListRequest,
  signal: AbortSignal,
): Promise<ListResult> {
  const { prefix, filter, limit = 0 } = request;
  const rangeEnd = prefix.endsWith('/') ? prefixEnd(prefix) : `${prefix}\0`;
  const entries: StoredObject[] = [];
  let revision = request.revision ?? 0;
  let key = request.startKey ?? prefix;
  for (;;) {
    const pageKeys = limit > 0 && filter === undefined ? limit : Math.max(limit, pageKeysMin);
    const page = await kv.range({ key, rangeEnd, revision, limit: pageKeys }, signal);
    if (revision === 0) revision = page.revision;
    for (const [i, item] of page.kvs.entries()) {
      const entry = decodeEntry(codec, item.key, item.value, item.modRevision);
      if (filter === undefined || filter(entry)) entries.push(entry);
      if (entries.length !== limit || limit === 0) continue;
      const remaining = page.count - i - 1;
      if (remaining === 0) return { entries, revision };
      const continueToken = continueAfter(item.key, revision, prefix);
      return filter
        ? { entries, revision, continueToken }
        : { entries, revision, continueToken, remainingItemCount: remaining };
    }
    if (!page.more || page.kvs.length === 0) return { entries, revision };
    key = `${page.kvs.at(-1)!.key}\0`;
  }
}
