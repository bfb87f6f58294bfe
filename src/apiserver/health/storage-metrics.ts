/** What the storage counts of each resource, under upstream's names. The label values are those of what is served. */
import type { ResourceRegistry } from '../registry/registry.ts';
import { family, resourceLabels } from './metric-text.ts';

type Read = (registry: ResourceRegistry) => number;

const counted = (name: keyof NumbersOf<ReturnType<ResourceRegistry['storage']['statistics']>['counters']>): Read => {
  return ({ storage }) => storage.statistics().counters[name];
};
type NumbersOf<T> = { [K in keyof T as T[K] extends number ? K : never]: T[K] };

/** One number a resource. */
const simple: readonly [name: string, type: 'counter' | 'gauge', help: string, read: Read][] = [
  [
    'apiserver_watch_cache_resource_version',
    'gauge',
    'Revision that the cache has reached.',
    ({ storage }) => storage.statistics().revision,
  ],
  ['apiserver_watch_cache_initializations_total', 'counter', 'Times the cache was filled.', counted('initializations')],
  ['apiserver_watch_cache_events_received_total', 'counter', 'Events of the store.', counted('eventsReceived')],
  ['apiserver_watch_cache_events_dispatched_total', 'counter', 'Events for watchers.', counted('eventsDispatched')],
  ['apiserver_storage_events_received_total', 'counter', 'Events of the store.', counted('eventsReceived')],
  ['apiserver_storage_decode_errors_total', 'counter', 'Values nobody can decode.', counted('decodeErrors')],
  ['apiserver_terminated_watchers_total', 'counter', 'Watches ended for being slow.', counted('terminatedWatchers')],
  [
    'watch_cache_capacity',
    'gauge',
    'Events that the cache has room for.',
    ({ storage }) => storage.statistics().ringCapacity,
  ],
  ['watch_cache_capacity_increase_total', 'counter', 'Times that room has grown.', counted('capacityIncreases')],
  ['watch_cache_capacity_decrease_total', 'counter', 'Times that room has shrunk.', counted('capacityDecreases')],
  ['apiserver_cache_list_returned_objects_total', 'counter', 'Objects listed.', counted('cacheListsReturned')],
  ['apiserver_storage_list_total', 'counter', 'Lists from the store.', counted('storeLists')],
  ['apiserver_storage_list_fetched_objects_total', 'counter', 'Objects read for them.', counted('storeListsFetched')],
  [
    'apiserver_storage_list_evaluated_objects_total',
    'counter',
    'Objects looked at for them.',
    counted('storeListsFetched'),
  ],
  ['apiserver_storage_list_returned_objects_total', 'counter', 'Objects they gave.', counted('storeListsReturned')],
];

/** Our lists are of one order, by key: there is no index to name. */
const byIndex: readonly [name: string, help: string, read: Read][] = [
  ['apiserver_cache_list_total', 'Lists from the cache.', counted('cacheLists')],
  ['apiserver_cache_list_fetched_objects_total', 'Objects looked at for them.', counted('cacheListsFetched')],
];

export function renderStorageMetrics(registries: Iterable<ResourceRegistry>): string {
  const all = [...registries];
  const lines: string[] = [];
  for (const [name, type, help, read] of simple) {
    family(lines, name, type, help);
    for (const registry of all) lines.push(`${name}{${resourceLabels(registry.info)}} ${read(registry)}`);
  }
  for (const [name, help, read] of byIndex) {
    family(lines, name, 'counter', help);
    for (const registry of all) {
      const { group, resource } = registry.info;
      lines.push(`${name}{group="${group}",index="",resource="${resource}"} ${read(registry)}`);
    }
  }
  consistentReads(lines, all);
  readWaits(lines, all);
  consistencyChecks(lines, all);
  return `${lines.join('\n')}\n`;
}

function consistentReads(lines: string[], all: readonly ResourceRegistry[]): void {
  const name = 'apiserver_watch_cache_consistent_read_total';
  family(lines, name, 'counter', 'Reads that must see the newest state.');
  for (const { info, storage } of all) {
    const { cache, store, failed } = storage.statistics().counters.consistentReads;
    const { group, resource } = info;
    const add = (fallback: boolean, success: boolean, value: number) =>
      lines.push(
        `${name}{fallback="${fallback}",group="${group}",resource="${resource}",success="${success}"} ${value}`,
      );
    add(false, true, cache);
    add(true, true, store);
    add(false, false, failed);
  }
}

function readWaits(lines: string[], all: readonly ResourceRegistry[]): void {
  const name = 'apiserver_watch_cache_read_wait_seconds';
  family(lines, name, 'histogram', 'Time that reads waited for the cache.');
  for (const { info, storage } of all) {
    const { readWait } = storage.statistics().counters;
    if (readWait.count > 0) readWait.render(lines, name, resourceLabels(info));
  }
}

function consistencyChecks(lines: string[], all: readonly ResourceRegistry[]): void {
  const name = 'apiserver_storage_consistency_checks_total';
  family(lines, name, 'counter', 'Comparisons of the cache with the store.');
  for (const { info, storage } of all) {
    const { consistent, divergent, inconclusive } = storage.statistics().counters.checks;
    const labels = resourceLabels(info);
    lines.push(
      `${name}{${labels},status="success"} ${consistent}`,
      `${name}{${labels},status="failure"} ${divergent}`,
      `${name}{${labels},status="error"} ${inconclusive}`,
    );
  }
}
