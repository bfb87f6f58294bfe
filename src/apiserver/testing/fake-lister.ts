import type { KubeObject } from '#apimachinery/object.ts';
import type { Lister } from '../registry/registry.ts';

/** A lister over a map that tests write themselves. */
export interface FakeLister extends Lister {
  put(object: KubeObject): void;
  remove(namespace: string, name: string): void;
}

export function fakeLister(initial: readonly KubeObject[] = []): FakeLister {
  const objects = new Map<string, KubeObject>();
  const listeners: ((key: string, object: KubeObject | undefined) => void)[] = [];
  const keyOf = (namespace: string | undefined, name: string) => (namespace ? `${namespace}/${name}` : name);
  const put = (object: KubeObject) => {
    const key = keyOf(object.metadata.namespace, object.metadata.name!);
    objects.set(key, object);
    for (const listener of listeners) listener(key, object);
  };
  initial.forEach(put);
  return {
    put,
    remove(namespace, name) {
      objects.delete(keyOf(namespace, name));
      for (const listener of listeners) listener(keyOf(namespace, name), undefined);
    },
    get: <T extends KubeObject>(namespace: string, name: string) =>
      objects.get(keyOf(namespace, name)) as T | undefined,
    list: (namespace?: string) =>
      [...objects.values()].filter((o) => namespace === undefined || o.metadata.namespace === namespace) as never[],
    onChange: (fn) => {
      listeners.push(fn as (typeof listeners)[number]);
      for (const [key, object] of objects) fn(key, object as never);
    },
    synced: true,
    whenSynced: () => Promise.resolve(),
  };
}
