/**
 * A client that writes and a client that watches, throughout a fault, by the official JavaScript client. Afterwards:
 * every acknowledged write is there, and the watch saw each exactly once and in order, however often it was cut.
 */
import assert from 'node:assert/strict';
import { CoreV1Api, KubeConfig, type V1ConfigMap, Watch } from '@kubernetes/client-node';
import { until } from './control-plane.ts';

export interface Acknowledged {
  name: string;
  resourceVersion: number;
}

export class Traffic {
  readonly acknowledged: Acknowledged[] = [];
  /** Writes whose outcome the client does not know. */
  readonly unknown: string[] = [];
  readonly seen: Acknowledged[] = [];
  reconnects = 0;
  /** Longest time without an acknowledged write. */
  longestGapMs = 0;
  #api: CoreV1Api;
  #config: KubeConfig;
  #stopped = false;
  #writing: Promise<void> = Promise.resolve();
  #watching: Promise<void> = Promise.resolve();
  #abortWatch: () => void = () => {};
  #failure: Error | undefined;
  readonly #prefix: string;

  constructor(kubeconfig: string, prefix: string) {
    this.#config = new KubeConfig();
    this.#config.loadFromFile(kubeconfig);
    this.#api = this.#config.makeApiClient(CoreV1Api);
    this.#prefix = prefix;
  }

  async start(): Promise<void> {
    const list = await this.#api.listNamespacedConfigMap({ namespace: 'default' });
    this.#watching = this.#watch(list.metadata!.resourceVersion!);
    this.#writing = this.#write();
    await until('traffic flows', () => this.acknowledged.length > 0 && this.seen.length > 0);
  }

  /** Resolves once another write was acknowledged after now. */
  async flows(timeoutMs = 30_000): Promise<void> {
    const before = this.acknowledged.length;
    await until('another write is acknowledged', () => this.acknowledged.length > before, timeoutMs);
  }

  async stopAndVerify(): Promise<void> {
    this.#stopped = true;
    await this.#writing;
    const last = this.acknowledged.at(-1)!;
    await until(
      'the watch has caught up',
      () => this.seen.some((s) => s.resourceVersion >= last.resourceVersion) || this.#failure,
    );
    this.#abortWatch();
    await this.#watching;
    if (this.#failure) throw this.#failure;

    const list = await this.#api.listNamespacedConfigMap({ namespace: 'default' });
    const present = new Map(list.items.map((c) => [c.metadata!.name!, Number(c.metadata!.resourceVersion)]));
    const lost = this.acknowledged.filter((a) => present.get(a.name) !== a.resourceVersion);
    assert.deepEqual(lost, [], 'acknowledged writes that are not there');

    const versions = this.seen.map((s) => s.resourceVersion);
    assert.deepEqual(
      versions,
      [...new Set(versions)].sort((a, b) => a - b),
      'events out of order or twice',
    );
    const names = new Set(this.seen.map((s) => s.name));
    const missed = this.acknowledged.filter((a) => !names.has(a.name));
    assert.deepEqual(missed, [], 'acknowledged writes that the watch never showed');
    // A write of unknown outcome is there or not, and the watch agrees with the list.
    for (const name of this.unknown) assert.equal(names.has(name), present.has(name), name);
  }

  /** Also after a failed test: nothing goes on writing or watching. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#failure ??= new Error('stopped');
    this.#abortWatch();
    await Promise.all([this.#writing, this.#watching]);
  }

  async #write(): Promise<void> {
    let last = Date.now();
    for (let i = 0; !this.#stopped; i++) {
      const name = `${this.#prefix}-${i}`;
      try {
        const body = { metadata: { name }, data: { i: String(i) } };
        const created = await withTimeout(this.#api.createNamespacedConfigMap({ namespace: 'default', body }), 10_000);
        this.acknowledged.push({ name, resourceVersion: Number(created.metadata!.resourceVersion) });
        this.longestGapMs = Math.max(this.longestGapMs, Date.now() - last);
        last = Date.now();
      } catch {
        this.unknown.push(name);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async #watch(from: string): Promise<void> {
    let resourceVersion = from;
    const watch = new Watch(this.#config);
    while (!this.#failure) {
      const ended = Promise.withResolvers<void>();
      const onEvent = (type: string, object: V1ConfigMap) => {
        if (type === 'ERROR') {
          this.#failure = new Error(`the watch could not resume: ${JSON.stringify(object)}`);
          return;
        }
        resourceVersion = object.metadata!.resourceVersion!;
        const name = object.metadata!.name!;
        if (type === 'ADDED' && name.startsWith(this.#prefix))
          this.seen.push({ name, resourceVersion: Number(resourceVersion) });
      };
      try {
        const query = { resourceVersion, allowWatchBookmarks: true };
        const controller = await watch.watch('/api/v1/namespaces/default/configmaps', query, onEvent, () =>
          ended.resolve(),
        );
        this.#abortWatch = () => {
          this.#stopped = true;
          controller.abort();
        };
        await ended.promise;
      } catch {
        // Refused while the control plane is away: try again.
      }
      if (this.#stopped && this.#isCaughtUp()) return;
      this.reconnects++;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  #isCaughtUp(): boolean {
    const last = this.acknowledged.at(-1);
    return !last || this.seen.some((s) => s.resourceVersion >= last.resourceVersion);
  }
}

function withTimeout<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('timed out')), ms);
  });
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
}
