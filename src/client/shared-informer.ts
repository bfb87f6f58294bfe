import type { GroupVersionResource } from '#apimachinery/group-version.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { messageOf } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import { type Informer, type InformerHandler, objectKey } from './informer.ts';
import type { ReflectorSink } from './reflector.ts';

/** The copy a reflector fills: objects by key, indexes over them, and the handlers that hear of each change. */
export class SharedInformer<T extends KubeObject> implements Informer<T>, ReflectorSink<T> {
  readonly gvr: GroupVersionResource;
  #log: Logger;
  #objects = new Map<string, T>();
  #indexes = new Map<string, Index<T>>();
  #handlers: InformerHandler<T>[] = [];
  #synced = false;
  #waiters = new Set<() => void>();

  constructor(gvr: GroupVersionResource, log: Logger) {
    this.gvr = gvr;
    this.#log = log;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): T[] {
    return [...this.#objects.values()];
  }

  byIndex(index: string, value: string): T[] {
    const found = this.#indexes.get(index);
    if (!found) throw new Error(`no index ${index} on ${this.gvr.resource}`);
    return [...(found.entries.get(value)?.values() ?? [])];
  }

  /** An index that exists already is kept: those who share an informer name the same thing alike. */
  addIndex(index: string, values: (object: T) => string[]): void {
    if (this.#indexes.has(index)) return;
    const added: Index<T> = { values, entries: new Map() };
    this.#indexes.set(index, added);
    for (const [key, object] of this.#objects) indexObject(added, key, object);
  }

  addHandler(handler: InformerHandler<T>): void {
    this.#handlers.push(handler);
    for (const object of this.#objects.values()) this.#call(() => handler.added?.(object));
  }

  get synced(): boolean {
    return this.#synced;
  }

  /** Resolves too when the signal aborts: check the signal. */
  whenSynced(signal: AbortSignal): Promise<void> {
    if (this.#synced || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        signal.removeEventListener('abort', done);
        this.#waiters.delete(done);
        resolve();
      };
      signal.addEventListener('abort', done, { once: true });
      this.#waiters.add(done);
    });
  }

  replace(items: T[]): void {
    const present = new Set<string>();
    for (const item of items) {
      present.add(objectKey(item));
      this.upsert(item);
    }
    for (const [key, object] of [...this.#objects]) if (!present.has(key)) this.remove(object);
    this.#synced = true;
    for (const done of [...this.#waiters]) done();
  }

  upsert(object: T): void {
    const key = objectKey(object);
    const old = this.#objects.get(key);
    if (old && old.metadata.resourceVersion === object.metadata.resourceVersion) return;
    // Deleted and made again while we were away: two lives, and handlers see an end and a beginning.
    if (old && old.metadata.uid !== object.metadata.uid) {
      this.remove(old);
      this.upsert(object);
      return;
    }
    this.#objects.set(key, object);
    for (const index of this.#indexes.values()) {
      if (old) unindexObject(index, key, old);
      indexObject(index, key, object);
    }
    for (const handler of this.#handlers) {
      this.#call(() => (old ? handler.updated?.(object, old) : handler.added?.(object)));
    }
  }

  remove(object: T): void {
    const key = objectKey(object);
    const old = this.#objects.get(key);
    if (!old) return;
    this.#objects.delete(key);
    for (const index of this.#indexes.values()) unindexObject(index, key, old);
    for (const handler of this.#handlers) this.#call(() => handler.deleted?.(object));
  }

  /** A handler's bug must not stop the others from hearing. */
  #call(fn: () => void): void {
    try {
      fn();
    } catch (error) {
      this.#log.error(
        { resource: this.gvr.resource, error: messageOf(error), stack: error instanceof Error ? error.stack : '' },
        'an informer handler failed',
      );
    }
  }
}

interface Index<T> {
  values: (object: T) => string[];
  entries: Map<string, Map<string, T>>;
}

function indexObject<T>(index: Index<T>, key: string, object: T): void {
  for (const value of index.values(object)) {
    let entry = index.entries.get(value);
    if (!entry) {
      entry = new Map();
      index.entries.set(value, entry);
    }
    entry.set(key, object);
  }
}

function unindexObject<T>(index: Index<T>, key: string, object: T): void {
  for (const value of index.values(object)) {
    const entry = index.entries.get(value);
    entry?.delete(key);
    if (entry?.size === 0) index.entries.delete(value);
  }
}
