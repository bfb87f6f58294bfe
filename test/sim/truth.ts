import type { StoreEvent, StoreHistory } from '#drills/model/history.ts';
import type { SimDisk } from './disk.ts';
import { contentsOf } from './recorder.ts';

/** What the disk knows to have happened: every transaction that no crash took away. */
export function truthOf(disk: SimDisk): StoreHistory {
  const events: StoreEvent[] = [];
  for (const { row } of disk.truth) {
    const key = row.key.toString();
    if (!key.startsWith('/registry/')) continue;
    const contents = row.version === 0 ? null : contentsOf(JSON.parse(row.value.toString()));
    events.push({ revision: row.main, key, contents, ...(contents ? { created: row.createRevision } : {}) });
  }
  return { since: 1, until: disk.durableRevision, events };
}
