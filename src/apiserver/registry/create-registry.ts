import type { KubeObject } from '#apimachinery/object.ts';
import type { Scheme } from '#apis/scheme.ts';
import type { Clock } from '#base/clock.ts';
import type { StorageBackend } from '#storage/storage.ts';
import type { AdmissionChain } from '../admission/admission.ts';
import { createLister } from './lister.ts';
import type { Lister, Registry, ResourceRegistry } from './registry.ts';
import { createResourceRegistry } from './resource-registry.ts';

export interface RegistryOptions {
  scheme: Scheme;
  backend: StorageBackend;
  /** Asked at each write; plugins may themselves need the registry. */
  admission: AdmissionChain;
  clock: Clock;
  random: () => number;
  /** Seconds the store keeps an Event. Upstream's --event-ttl. */
  eventTtlSeconds?: number;
  /** Ends the listers. Absent: they live as long as the process. */
  signal?: AbortSignal;
}

/** Every stored resource of the scheme, each with its storage in the backend. */
export function createRegistry(options: RegistryOptions): Registry {
  const { scheme, backend } = options;
  const registries = new Map<string, ResourceRegistry>();
  for (const info of scheme.resources()) {
    const key = `${info.group}/${info.resource}`;
    if (!info.storage || !info.storagePrefix) continue;
    // Of several served versions, the one that is stored; else whichever comes first.
    const isStored = info.storage.group === info.group && info.storage.version === info.version;
    if (registries.has(key) && !isStored) continue;
    registries.set(key, createResourceRegistry(options, info));
  }
  const listers = new Map<string, Lister<KubeObject>>();
  return {
    scheme,
    backend,
    resource: (group, resource) => registries.get(`${group}/${resource}`),
    resources: () => registries.values(),
    lister<T extends KubeObject>(group: string, resource: string): Lister<T> {
      const key = `${group}/${resource}`;
      let lister = listers.get(key);
      if (!lister) {
        const registry = registries.get(key);
        if (!registry) throw new Error(`no stored resource ${key}`);
        lister = createLister(registry, options.clock, options.signal);
        listers.set(key, lister);
      }
      return lister as Lister<T>;
    },
  };
}
