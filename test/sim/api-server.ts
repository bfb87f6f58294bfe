/** One API server's storage layer as a process: the real backend with its caches, behind requests that get lost. */
import { silentLogger } from '#base/log.ts';
import { createStorageBackend } from '#storage/cacher/backend.ts';
import type { EtcdKv } from '#storage/etcd3/kv.ts';
import type { ResourceCodec, ResourceStorage, StorageBackend } from '#storage/storage.ts';
import { mapsPrefix, podsPrefix } from './plan.ts';
import type { SimProcess } from './process.ts';

/** What a client gets: an answer, or the knowledge that it went nowhere, or nothing it could know. */
export type Answer<T> = { value: T } | { error: unknown } | 'refused' | 'lost';

export class ApiServer {
  readonly process: SimProcess;
  readonly backend: StorageBackend;
  readonly #storages: ReadonlyMap<string, ResourceStorage>;
  /** Told when the process dies: requests under way, and streams. */
  readonly onDeath = new Set<() => void>();
  /** Times that compaction overtook its watch: then watchers are told the difference only. */
  relists = 0;

  constructor(process: SimProcess, kv: EtcdKv, random: () => number, onUncaught: (error: unknown) => void) {
    this.process = process;
    const log = {
      ...silentLogger,
      warn: (_details: unknown, message: string) => {
        if (message.includes('listing again')) this.relists++;
      },
    };
    this.backend = createStorageBackend({ client: kv, clock: process.clock, log, random });
    this.#storages = new Map(
      [mapsPrefix, podsPrefix].map((prefix) => [prefix, this.backend.resource(codecFor(prefix))]),
    );
    this.backend.run(new AbortController().signal).catch(onUncaught);
  }

  storage(key: string): ResourceStorage {
    return this.#storages.get(key.startsWith(mapsPrefix) ? mapsPrefix : podsPrefix)!;
  }

  kill(): void {
    this.process.kill();
    for (const tell of this.onDeath) tell();
    this.onDeath.clear();
  }
}

export function codecFor(prefix: string): ResourceCodec {
  return {
    prefix,
    selectableFields: ({ metadata }) => ({ 'metadata.name': metadata.name ?? '' }),
    decode: (value) => JSON.parse(value.toString()),
    encode(object) {
      const { resourceVersion: _, ...metadata } = object.metadata;
      return Buffer.from(JSON.stringify({ ...object, metadata }));
    },
  };
}
