import type { KubeObject } from '#apimachinery/object.ts';
import { type Clock, sleep } from '#base/clock.ts';
import type { StoredObject, WatchSink } from '#storage/storage.ts';
import type { Lister, ResourceRegistry } from './registry.ts';

/** Between attempts to watch again after a watch has ended, as when the store was away. */
const retryMs = 500;

/** A watch of the whole resource, kept as parsed objects: what admission, RBAC and the allocators read. */
export function createLister(registry: ResourceRegistry, clock: Clock, signal?: AbortSignal): Lister<KubeObject> {
  const prefix = registry.codec.prefix;
  const listeners: ((key: string, object: KubeObject | undefined) => void)[] = [];
  let objects = new Map<string, KubeObject>();
  /** While a new initial state comes in, what it has so far. */
  let arriving: Map<string, KubeObject> | undefined;
  let synced = false;
  let onSynced: () => void = () => {};
  const whenSynced = new Promise<void>((resolve) => {
    onSynced = resolve;
  });

  const tell = (key: string, object: KubeObject | undefined) => {
    for (const listener of listeners) listener(key, object);
  };
  const replace = () => {
    const before = objects;
    objects = arriving!;
    arriving = undefined;
    if (synced) {
      for (const key of before.keys()) if (!objects.has(key)) tell(key, undefined);
    }
    synced = true;
    onSynced();
    for (const [key, object] of objects) {
      if (before.get(key)?.metadata.resourceVersion !== object.metadata.resourceVersion) tell(key, object);
    }
  };

  const sinkOf = (ended: () => void): WatchSink => ({
    send(type, entry: StoredObject) {
      const key = entry.key.slice(prefix.length);
      const target = arriving ?? objects;
      if (type === 'DELETED') target.delete(key);
      else target.set(key, entry.object());
      if (!arriving) tell(key, target.get(key));
      return true;
    },
    bookmark(_revision, initialEventsEnd) {
      if (initialEventsEnd && arriving) replace();
      return true;
    },
    end: ended,
  });

  const follow = async (): Promise<void> => {
    while (!signal?.aborted) {
      try {
        await new Promise<void>((resolve, reject) => {
          arriving = new Map();
          registry.storage
            .watch({ prefix, sendInitialEvents: true, allowBookmarks: true }, sinkOf(resolve))
            .catch(reject);
        });
      } catch {
        // The store is away, or the watch cache is not ready: what we have stays, and we come again.
      }
      await sleep(clock, retryMs, signal);
    }
  };
  void follow();

  return {
    get: (namespace, name) => objects.get(namespace === '' ? name : `${namespace}/${name}`),
    list(namespace) {
      if (namespace === undefined) return [...objects.values()];
      const found: KubeObject[] = [];
      const start = `${namespace}/`;
      for (const [key, object] of objects) if (key.startsWith(start)) found.push(object);
      return found;
    },
    onChange(fn) {
      listeners.push(fn);
      if (synced) for (const [key, object] of objects) fn(key, object);
    },
    get synced() {
      return synced;
    },
    whenSynced: () => whenSynced,
  };
}
