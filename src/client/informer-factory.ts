import { formatGroupResource, type GroupVersionResource } from '#apimachinery/group-version.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import type { ApiClient } from './client.ts';
import type { Informer, InformerFactory } from './informer.ts';
import { reflect } from './reflector.ts';
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
}

class Factory implements InformerFactory {
  #options: InformerFactoryOptions;
  #informers = new Map<string, SharedInformer<any>>();
  #starts: ((signal: AbortSignal) => Promise<void>)[] = [];
  #signal: AbortSignal | undefined;
  #running: Promise<void>[] = [];

  constructor(options: InformerFactoryOptions) {
    this.#options = options;
  }

  informer<T extends KubeObject>(gvr: GroupVersionResource, selection: Selection = {}): Informer<T> {
    const { client, clock, random, log } = this.#options;
    const { namespace = '', fieldSelector = '', labelSelector = '' } = selection;
    const key = [gvr.group, gvr.version, gvr.resource, namespace, fieldSelector, labelSelector].join('|');
    const existing = this.#informers.get(key);
    if (existing) return existing;
    const informer = new SharedInformer<T>(gvr, log);
    this.#informers.set(key, informer);
    const name = formatGroupResource(gvr);
    const resource = client.resource<T>(gvr, namespace);
    const start = (signal: AbortSignal) =>
      reflect({ name, resource, fieldSelector, labelSelector, clock, random, log }, informer, signal);
    if (this.#signal) this.#running.push(start(this.#signal));
    else this.#starts.push(start);
    return informer;
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    for (const start of this.#starts.splice(0)) this.#running.push(start(signal));
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    await Promise.all(this.#running);
  }
}
