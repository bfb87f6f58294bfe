/**
 * A watch for the services of the store itself. Events that nobody has taken yet hold the watch back, as with any slow
 * reader, so that at most one batch waits here.
 */
import { Event } from '#etcd/key-value.ts';
import type { KeyRange } from '../mvcc/kv-store.ts';
import type { Watcher, WatchHub, WatchReceiver } from '../mvcc/watch-hub.ts';

export interface LocalWatch {
  /** The next events; `undefined` once it is closed, or when compaction overtook it. */
  next(): Promise<Event[] | undefined>;
  close(): void;
}

export function watchLocally(hub: WatchHub, range: KeyRange, startRevision: number): LocalWatch {
  let pending: Event[] = [];
  let isOver = false;
  let wake = () => {};
  const receiver: WatchReceiver = {
    isFull: () => pending.length > 0,
    events(_watcher, events) {
      for (const bytes of events) pending.push(Event.decode(bytes));
      wake();
    },
    progress() {},
    compacted() {
      isOver = true;
      wake();
    },
    failed() {
      isOver = true;
      wake();
    },
    synced() {},
  };
  const options = { range, startRevision, prevKv: false, progressNotify: false, filters: [] };
  const watcher: Watcher = hub.add(0, options, receiver);
  return {
    async next() {
      while (pending.length === 0 && !isOver) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      if (pending.length === 0) return undefined;
      const events = pending;
      pending = [];
      hub.resume(watcher);
      return events;
    },
    close() {
      isOver = true;
      hub.remove(watcher);
      wake();
    },
  };
}
