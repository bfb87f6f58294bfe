/** How much is stored, under upstream's names: objects of each resource, and what the database takes on its disk. */
import { type Clock, sleep } from '#base/clock.ts';
import type { StorageBackend } from '#storage/storage.ts';
import type { Registry } from '../registry/registry.ts';

export interface StoreSizeMetricsOptions {
  registry: Pick<Registry, 'resources'>;
  condition: StorageBackend['condition'];
  clock: Clock;
  /** --etcd-count-metric-poll-period; 0: objects are not counted. */
  countPollMs: number;
  /** --etcd-db-metric-poll-interval; 0: the size is not asked for. */
  databasePollMs: number;
  timeoutMs: number;
}

export interface StoreSizeMetrics {
  render(): string;
  run(signal: AbortSignal): Promise<void>;
}

export function createStoreSizeMetrics(options: StoreSizeMetricsOptions): StoreSizeMetrics {
  const { registry, condition, clock, countPollMs, databasePollMs, timeoutMs } = options;
  let counts = '';
  let size = '';
  const countObjects = () => {
    counts = renderCounts(registry.resources());
  };
  const measure = async (signal: AbortSignal) => {
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    // A store that does not answer has no size: an old figure would look like a present one.
    size = await condition(bounded).then(
      ({ databaseBytes }) => renderSize(databaseBytes),
      () => '',
    );
  };
  const poll = async (everyMs: number, signal: AbortSignal, body: () => void | Promise<void>) => {
    if (everyMs === 0) return;
    for (; !signal.aborted; await sleep(clock, everyMs, signal)) await body();
  };
  return {
    render: () => counts + size,
    async run(signal) {
      await Promise.all([poll(countPollMs, signal, countObjects), poll(databasePollMs, signal, () => measure(signal))]);
    },
  };
}

function renderCounts(
  resources: Iterable<ReturnType<Registry['resources']> extends Iterable<infer R> ? R : never>,
): string {
  let current = '';
  let old = '';
  for (const { info, storage } of resources) {
    if (!storage.ready()) continue;
    const count = storage.count();
    const qualified = info.group === '' ? info.resource : `${info.resource}.${info.group}`;
    current += `apiserver_resource_objects{group="${info.group}",resource="${info.resource}"} ${count}\n`;
    old += `apiserver_storage_objects{resource="${qualified}"} ${count}\n`;
  }
  return (
    head('apiserver_resource_objects', 'Stored objects of each resource.') +
    current +
    head('apiserver_storage_objects', 'The same under the name of before.') +
    old
  );
}

function renderSize(bytes: number): string {
  const name = 'apiserver_storage_size_bytes';
  return `${head(name, 'What the store’s database takes on its disk.')}${name}{storage_cluster_id="etcd-0"} ${bytes}\n`;
}

function head(name: string, help: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} gauge\n`;
}
