import assert from 'node:assert/strict';
import type { KubeObject } from '#apimachinery/object.ts';
import { silentLogger } from '#base/log.ts';
import { realClock } from '#os/real-clock.ts';
import { createStorageBackend, type StorageBackendOptions } from '../cacher/backend.ts';
import type { EtcdKv } from '../etcd3/kv.ts';
import type { ResourceCodec, StorageBackend, StoredObject, WatchOptions, WatchSink } from '../storage.ts';

/** ConfigMaps, say. */
export const maps: ResourceCodec = codecFor('/registry/configmaps/');

export function codecFor(prefix: string): ResourceCodec {
  return {
    prefix,
    selectableFields: ({ metadata }) => ({
      'metadata.name': metadata.name ?? '',
      'metadata.namespace': metadata.namespace ?? '',
    }),
    decode: (value) => JSON.parse(value.toString()),
    encode(object) {
      const { resourceVersion: _, ...metadata } = object.metadata;
      return Buffer.from(JSON.stringify({ ...object, metadata }));
    },
  };
}

export function map(name: string, data: Record<string, string> = {}, labels?: Record<string, string>): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'default', uid: crypto.randomUUID(), ...(labels ? { labels } : {}) },
    data,
  };
}

export const keyOf = (name: string, namespace = 'default') => `${maps.prefix}${namespace}/${name}`;
export const nameOf = (entry: StoredObject) => entry.fields['metadata.name']!;

export interface RunningBackend extends StorageBackend {
  stop(): Promise<void>;
}

/** A backend that runs until it is stopped. */
export function startBackend(kv: EtcdKv, options: Partial<StorageBackendOptions> = {}): RunningBackend {
  const backend = createStorageBackend({
    client: kv,
    clock: realClock,
    log: silentLogger,
    random: Math.random,
    ...options,
  });
  const stopping = new AbortController();
  const ended = backend.run(stopping.signal);
  return {
    ...backend,
    async stop() {
      stopping.abort();
      await ended;
    },
  };
}

export interface Seen {
  type: string;
  name?: string;
  revision: number;
  entry?: StoredObject;
}

/** A sink that writes down what it is told. */
export class Recorder implements WatchSink {
  readonly seen: Seen[] = [];
  ended: { error: Error | undefined } | undefined;
  /** Beyond this many the buffer is full. */
  room = Number.POSITIVE_INFINITY;

  send(type: string, entry: StoredObject): boolean {
    assert.equal(this.ended, undefined, 'told after its end');
    this.seen.push({ type, name: nameOf(entry), revision: entry.revision, entry });
    return this.seen.length < this.room;
  }

  bookmark(revision: number, initialEventsEnd: boolean): boolean {
    this.seen.push({ type: initialEventsEnd ? 'INITIAL-END' : 'BOOKMARK', revision });
    return true;
  }

  end(error?: Error): void {
    assert.equal(this.ended, undefined, 'ended twice');
    this.ended = { error };
  }

  get lines(): string[] {
    return this.seen.map((s) => (s.name ? `${s.type} ${s.name}` : s.type));
  }
}

/** Takes ten, and more only when it is told to. */
export class PacedRecorder extends Recorder {
  #takeAll = () => {};
  readonly #room = new Promise<void>((resolve) => {
    this.#takeAll = resolve;
  });

  takeAll(): void {
    this.#takeAll();
  }

  drained(): Promise<void> | undefined {
    return this.seen.length === 10 ? this.#room : undefined;
  }
}

export function everything(options: Partial<WatchOptions> = {}): WatchOptions {
  return { prefix: maps.prefix, ...options };
}

/** Waits for what must become true. */
export async function eventually(condition: () => boolean, what: string, boundMs = 5_000): Promise<void> {
  const end = performance.now() + boundMs;
  while (!condition()) {
    if (performance.now() > end) assert.fail(`not within ${boundMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
