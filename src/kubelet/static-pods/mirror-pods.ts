/**
 * Mirror pods: what the API shows of static pods. The manifest is the truth: a mirror that differs is replaced, one
 * without a static pod is removed, its status follows the processes. Going beyond upstream, where deleting a mirror pod
 * does nothing to the static pod, it restarts it here, because that is what who deletes the pod of an API server wants.
 * Only a deletion that was seen to happen counts: mirrors found missing after a restore of the store are made again
 * without touching what runs, and so are those that went with their Node.
 */
import { isStatusError } from '#apimachinery/status-error.ts';
import type { Clock } from '#base/clock.ts';
import { messageOf } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { Runnable } from '#base/runnable.ts';
import type { ApiClient, ResourceClient } from '#client/client.ts';
import { createWorkQueue } from '#client/rate-limiting-queue.ts';
import { annotations, type Pod, podKey, timestamp } from '../pod.ts';
import type { PodWorker } from './pod-worker.ts';

export interface MirrorPodsOptions {
  client: ApiClient;
  nodeName: string;
  /** Undefined while the API does not have the node: a mirror is owned by it. */
  nodeUid(): string | undefined;
  /** The static pods as they are now. */
  pods(): PodWorker[];
  clock: Clock;
  log: Logger;
}

const podsResource = { group: '', version: 'v1', resource: 'pods' };
const retryMs = 1000;
const waitForNodeMs = 200;
/** Upstream's least grace period: time to hear of the signal. */
const graceSecondsMin = 1;

export class MirrorPods implements Runnable {
  readonly name = 'mirror-pods';
  #options: MirrorPodsOptions;
  #queue: ReturnType<typeof createWorkQueue>;
  /** By `namespace/name`; filled by the watch. */
  #mirrors = new Map<string, Pod>();
  #isSynced = false;
  /** Uids of mirrors whose deletion is not a wish: we deleted them, or heeded it already. */
  #heeded = new Set<string>();
  /** What was last written, by key: the API's defaults and rounding must not make it look different. */
  #written = new Map<string, string>();
  #complaint = '';

  constructor(options: MirrorPodsOptions) {
    this.#options = options;
    this.#queue = createWorkQueue({ name: this.name, clock: options.clock, log: options.log });
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#queue.process(4, (key) => this.#syncOrRetry(key), signal);
  }

  /** A static pod changed. */
  changed(key: string): void {
    this.#queue.add(key);
  }

  replace(mirrors: Pod[]): void {
    this.#mirrors = new Map(mirrors.map((m) => [podKey(m), m]));
    this.#isSynced = true;
    this.#written.clear();
    for (const key of this.#mirrors.keys()) this.#queue.add(key);
    for (const worker of this.#options.pods()) this.#queue.add(podKey(worker.pod));
  }

  upsert(mirror: Pod): void {
    this.#mirrors.set(podKey(mirror), mirror);
    if (mirror.metadata.deletionTimestamp) this.#heed(mirror);
    this.#queue.add(podKey(mirror));
  }

  remove(mirror: Pod): void {
    const key = podKey(mirror);
    this.#mirrors.delete(key);
    this.#written.delete(key);
    this.#heed(mirror);
    this.#heeded.delete(mirror.metadata.uid!);
    this.#queue.add(key);
  }

  /** Somebody deleted, or is deleting, a mirror: once for each the static pod is restarted. */
  #heed(mirror: Pod): void {
    const uid = mirror.metadata.uid!;
    if (this.#heeded.has(uid)) return;
    this.#heeded.add(uid);
    const worker = this.#workerOf(podKey(mirror));
    const owner = mirror.metadata.ownerReferences?.[0]?.uid;
    if (!worker || !isMirrorOf(mirror, worker.pod) || owner !== this.#options.nodeUid()) return;
    const grace = Math.max(graceSecondsMin, mirror.metadata.deletionGracePeriodSeconds ?? graceSecondsMin);
    this.#options.log.info({ pod: podKey(mirror) }, 'mirror pod deleted: restarting the static pod');
    worker.restart(grace);
  }

  async #syncOrRetry(key: string): Promise<number | undefined> {
    try {
      const againMs = await this.#sync(key);
      this.#complaint = '';
      return againMs;
    } catch (error) {
      const complaint = `${key} ${messageOf(error)}`;
      if (complaint !== this.#complaint) {
        this.#options.log.warn({ pod: key, error: messageOf(error) }, 'mirror pod not up to date: trying again');
      }
      this.#complaint = complaint;
      return retryMs;
    }
  }

  async #sync(key: string): Promise<number | undefined> {
    if (!this.#isSynced) return;
    const worker = this.#workerOf(key);
    const mirror = this.#mirrors.get(key);
    if (mirror && !isMirror(mirror)) throw new Error('another pod has the name of the static pod');
    if (mirror && (!worker || !isMirrorOf(mirror, worker.pod) || mirror.metadata.deletionTimestamp)) {
      return this.#delete(mirror);
    }
    if (!worker) return;
    if (!mirror) return this.#create(worker);
    await this.#writeStatus(worker, mirror);
  }

  async #create(worker: PodWorker): Promise<number | undefined> {
    const { clock, nodeName, nodeUid } = this.#options;
    const uid = nodeUid();
    if (uid === undefined) return waitForNodeMs;
    const { metadata, spec } = worker.pod;
    const created = await this.#resource(worker.pod).create({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: metadata.name!,
        namespace: metadata.namespace!,
        ...(metadata.labels ? { labels: metadata.labels } : {}),
        annotations: {
          ...metadata.annotations,
          [annotations.configMirror]: metadata.uid!,
          [annotations.configSeen]: timestamp(clock.now()),
        },
        ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid, controller: true }],
      },
      spec,
    });
    // The watch may have told already, and more.
    if (!this.#mirrors.has(podKey(created))) this.#mirrors.set(podKey(created), created);
    await this.#writeStatus(worker, created);
    return undefined;
  }

  async #delete(mirror: Pod): Promise<undefined> {
    const uid = mirror.metadata.uid!;
    this.#heeded.add(uid);
    try {
      await this.#resource(mirror).delete(mirror.metadata.name!, { gracePeriodSeconds: 0, preconditions: { uid } });
    } catch (error) {
      if (!isStatusError(error, 'NotFound') && !isStatusError(error, 'Conflict')) throw error;
    }
  }

  async #writeStatus(worker: PodWorker, mirror: Pod): Promise<void> {
    const key = podKey(mirror);
    const status = worker.status();
    if (mirror.metadata.generation !== undefined) status.observedGeneration = mirror.metadata.generation;
    const text = `${mirror.metadata.uid} ${JSON.stringify(status)}`;
    if (this.#written.get(key) === text) return;
    const patch = { metadata: { uid: mirror.metadata.uid }, status };
    await this.#resource(mirror).patch(mirror.metadata.name!, 'application/merge-patch+json', patch, {
      subresource: 'status',
    });
    this.#written.set(key, text);
  }

  #workerOf(key: string): PodWorker | undefined {
    return this.#options.pods().find((w) => podKey(w.pod) === key);
  }

  #resource(pod: Pod): ResourceClient<Pod> {
    return this.#options.client.resource<Pod>(podsResource, pod.metadata.namespace);
  }
}

export function isMirror(pod: Pod): boolean {
  return pod.metadata.annotations?.[annotations.configMirror] !== undefined;
}

function isMirrorOf(mirror: Pod, pod: Pod): boolean {
  return mirror.metadata.annotations?.[annotations.configMirror] === pod.metadata.uid;
}
