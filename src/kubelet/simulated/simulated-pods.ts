/**
 * Pods that only pretend to run: each pod bound to one of the nodes gets the status it would have if everything worked,
 * and goes when it is deleted. Reconciles from the pod as the watch last told it; keeps a pod in memory only while
 * something is to be done about it, so that a thousand nodes cost little.
 */
import { isStatusError } from '#apimachinery/status-error.ts';
import type { Clock } from '#base/clock.ts';
import { messageOf } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { Runnable } from '#base/runnable.ts';
import type { ApiClient } from '#client/client.ts';
import { createWorkQueue } from '#client/rate-limiting-queue.ts';
import { type Pod, podKey } from '../pod.ts';
import { Deadlines } from './deadlines.ts';
import { PodAddresses } from './pod-addresses.ts';
import { runDurationMs, simulatedStatus, startOf } from './simulated-pod.ts';

export interface SimulatedNode {
  name: string;
  ip: string;
  /** `10.244.3.` */
  podPrefix: string;
}

export interface SimulatedPodsOptions {
  client: ApiClient;
  nodes: SimulatedNode[];
  clock: Clock;
  log: Logger;
}

const podsResource = { group: '', version: 'v1', resource: 'pods' };
const requestsMax = 64;
const retryMs = 1000;

export class SimulatedPods implements Runnable {
  readonly name = 'simulated-pods';
  #options: SimulatedPodsOptions;
  #nodes: Map<string, SimulatedNode>;
  #addresses = new PodAddresses();
  #queue: ReturnType<typeof createWorkQueue>;
  #deadlines: Deadlines;
  /** Pods about which something is to be done, by key. */
  #pending = new Map<string, Pod>();
  /** Uids of the pods there are, to notice those whose deletion was missed. */
  #known = new Set<string>();
  #complaint = '';

  constructor(options: SimulatedPodsOptions) {
    const { clock, log, nodes } = options;
    this.#options = options;
    this.#nodes = new Map(nodes.map((n) => [n.name, n]));
    for (const node of nodes) this.#addresses.addNode(node.name, node.podPrefix);
    this.#queue = createWorkQueue({ name: this.name, clock, log });
    this.#deadlines = new Deadlines(clock, (key) => this.#queue.add(key));
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#queue.process(requestsMax, (key) => this.#syncOrRetry(key), signal);
    this.#deadlines.stop();
  }

  replace(pods: Pod[]): void {
    const present = new Set(pods.map((p) => p.metadata.uid!));
    for (const uid of this.#known) if (!present.has(uid)) this.#forget(uid);
    for (const [key, pod] of this.#pending) if (!present.has(pod.metadata.uid!)) this.#pending.delete(key);
    // Addresses in use come first, so that no new pod is given one of them.
    for (const pod of pods) if (pod.status?.podIP) this.#addressOf(pod);
    for (const pod of pods) this.upsert(pod);
  }

  upsert(pod: Pod): void {
    if (!this.#nodes.has(pod.spec.nodeName ?? '')) return;
    const { phase } = pod.status ?? {};
    const isOver = phase === 'Succeeded' || phase === 'Failed';
    if (isOver && !pod.metadata.deletionTimestamp) {
      this.#forget(pod.metadata.uid!);
      this.#pending.delete(podKey(pod));
      return;
    }
    this.#known.add(pod.metadata.uid!);
    this.#pending.set(podKey(pod), pod);
    this.#queue.add(podKey(pod));
  }

  remove(pod: Pod): void {
    this.#forget(pod.metadata.uid!);
    if (this.#pending.get(podKey(pod))?.metadata.uid === pod.metadata.uid) this.#pending.delete(podKey(pod));
  }

  #forget(uid: string): void {
    this.#known.delete(uid);
    this.#addresses.release(uid);
  }

  async #syncOrRetry(key: string): Promise<number | undefined> {
    const pod = this.#pending.get(key);
    if (!pod) return undefined;
    try {
      await this.#sync(pod, key);
      this.#complaint = '';
    } catch (error) {
      // It is gone, or another pod has its name: the watch tells.
      if (isStatusError(error, 'NotFound') || isStatusError(error, 'Conflict')) return undefined;
      if (messageOf(error) !== this.#complaint)
        this.#options.log.warn({ pod: key, error: messageOf(error) }, 'retrying');
      this.#complaint = messageOf(error);
      return retryMs;
    }
    return undefined;
  }

  async #sync(pod: Pod, key: string): Promise<void> {
    const { client, clock } = this.#options;
    const { name, namespace, uid, deletionTimestamp, deletionGracePeriodSeconds, finalizers } = pod.metadata;
    const resource = client.resource<Pod>(podsResource, namespace);
    if (deletionTimestamp) {
      this.#done(pod, key);
      // With finalizers it stays, and has been told already.
      if (deletionGracePeriodSeconds === 0 && finalizers?.length) return;
      return resource.delete(name!, { gracePeriodSeconds: 0, preconditions: { uid: uid! } });
    }
    const node = this.#nodes.get(pod.spec.nodeName!)!;
    const now = clock.now();
    const status = simulatedStatus(pod, { hostIP: node.ip, podIP: this.#addressOf(pod), now });
    const runMs = runDurationMs(pod);
    const leftMs = runMs === undefined ? undefined : Math.max(0, (startOf(pod) ?? now) + runMs - now);
    if (!isSame(pod.status, status)) {
      await resource.patch(
        name!,
        'application/merge-patch+json',
        { metadata: { uid }, status },
        { subresource: 'status' },
      );
    } else if (leftMs !== undefined && leftMs > 0) {
      this.#deadlines.add(key, leftMs);
      return;
    }
    this.#done(pod, key);
  }

  /** Unless the watch has told of a newer state meanwhile. */
  #done(pod: Pod, key: string): void {
    if (this.#pending.get(key) === pod) this.#pending.delete(key);
  }

  #addressOf(pod: Pod): string {
    const node = pod.spec.nodeName ?? '';
    if (!this.#nodes.has(node)) return '';
    return this.#addresses.addressOf(pod.metadata.uid!, node, pod.status?.podIP);
  }
}

/** What the kubelet owns of a status; others add conditions and the API server adds defaults. */
function isSame(there: Pod['status'], wanted: NonNullable<Pod['status']>): boolean {
  if (there?.phase !== wanted.phase || there?.podIP !== wanted.podIP) return false;
  if (there?.observedGeneration !== wanted.observedGeneration) return false;
  return wanted.conditions!.every((c) => there?.conditions?.find((t) => t.type === c.type)?.status === c.status);
}
