import { formatGroupResource, type GroupVersionResource } from '#apimachinery/group-version.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import type { ApiClient } from './client.ts';
import type { Informer, InformerFactory } from './informer.ts';
import { type ReflectorSink, reflect } from './reflector.ts';
import { SharedInformer } from './shared-informer.ts';

export interface InformerFactoryOptions {
  client: ApiClient;
  clock: Clock;
  random: () => number;
  log: Logger;
}

export function createInformerFactory(options: InformerFactoryOptions): InformerFactory {
  return new Factory(options);
}

interface Selection {
  namespace?: string;
  fieldSelector?: string;
  labelSelector?: string;
  metadataOnly?: boolean;
}

interface Running {
  informer: SharedInformer<any>;
  stop: AbortController;
  start(signal: AbortSignal): Promise<void>;
  done: Promise<void> | undefined;
}

class Factory implements InformerFactory {
  #options: InformerFactoryOptions;
  #informers = new Map<string, Running>();
  #signal: AbortSignal | undefined;

  constructor(options: InformerFactoryOptions) {
    this.#options = options;
  }

  informer<T extends KubeObject>(gvr: GroupVersionResource, selection: Selection = {}): Informer<T> {
    const { client, clock, random, log } = this.#options;
    const { namespace = '', fieldSelector = '', labelSelector = '', metadataOnly = false } = selection;
    const wholeKey = [gvr.group, gvr.version, gvr.resource, namespace, fieldSelector, labelSelector].join('|');
    const key = metadataOnly ? `${wholeKey}|metadata` : wholeKey;
    const existing = this.#informers.get(key) ?? this.#informers.get(wholeKey);
    if (existing) return existing.informer;
    const informer = new SharedInformer<T>(gvr, log);
    const name = formatGroupResource(gvr);
    const resource = client.resource<T>(gvr, namespace);
    const stop = new AbortController();
    const entry: Running = {
      informer,
      stop,
      start: (signal) =>
        reflect(
          { name, resource, fieldSelector, labelSelector, clock, random, log },
          metadataOnly ? metadataSink(informer) : informer,
          AbortSignal.any([signal, stop.signal]),
        ),
      done: undefined,
    };
    this.#informers.set(key, entry);
    if (this.#signal) entry.done = entry.start(this.#signal);
    return informer;
  }

  stop(gvr: GroupVersionResource): void {
    const prefix = `${[gvr.group, gvr.version, gvr.resource].join('|')}|`;
    for (const [key, entry] of this.#informers) {
      if (!key.startsWith(prefix)) continue;
      this.#informers.delete(key);
      entry.stop.abort();
      // What it held is gone with it: whoever kept account of it hears so.
      entry.informer.replace([]);
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    for (const entry of this.#informers.values()) entry.done ??= entry.start(signal);
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    await Promise.all([...this.#informers.values()].map((entry) => entry.done));
  }
}

/** Keeps what collectors and counters look at: of a thousand Secrets, none of their data. */
function metadataSink<T extends KubeObject>(sink: ReflectorSink<T>): ReflectorSink<T> {
  const strip = ({ apiVersion, kind, metadata: { managedFields: _, ...metadata } }: T): T =>
    ({ apiVersion, kind, metadata }) as T;
  return {
    replace: (items) => sink.replace(items.map(strip)),
    upsert: (object) => sink.upsert(strip(object)),
    remove: (object) => sink.remove(strip(object)),
  };
}
