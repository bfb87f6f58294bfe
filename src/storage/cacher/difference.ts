import { type Entry, restampEntry } from '../etcd3/entry.ts';
import { CacheEvent } from './event-ring.ts';
import type { EntryTree } from './resource-cache.ts';

export interface Listed {
  entry: Entry;
  createRevision: number;
}

/**
 * After a gap in the events (compaction): what a watcher would have seen, as far as a list can tell, in order. A key
 * that was deleted and made anew shows as both. The true revisions of deletions are lost: theirs are the latest
 * possible.
 */
export function difference(
  before: EntryTree,
  listed: readonly Listed[],
  after: EntryTree,
  revision: number,
  now: number,
): CacheEvent[] {
  const events: CacheEvent[] = [];
  const gone = (old: Entry, at: number) =>
    events.push(new CacheEvent('DELETED', old.key, at, restampEntry(old, at), old, now));
  for (const { entry, createRevision } of listed) {
    let old = before.get(entry.key);
    if (old?.revision === entry.revision) continue;
    if (old && createRevision > old.revision) {
      gone(old, createRevision - 1);
      old = undefined;
    }
    events.push(new CacheEvent(old ? 'MODIFIED' : 'ADDED', entry.key, entry.revision, entry, old, now));
  }
  before.forEachPair((key, old) => {
    if (!after.has(key)) gone(old, revision);
  });
  return events.sort((a, b) => a.revision - b.revision);
}
