/**
 * The pods that wait, in upstream's three places: *active* (to be scheduled now, best first), *back-off* (failed, may
 * try again after a while) and *unschedulable* (no node fits until something changes). A pod is in one of them, or in
 * the hands of the scheduler. Bounded by the number of pods in the cluster.
 *
 * When nothing else waits, pods in back-off after "no node fits" are handed out early: the back-off protects others,
 * and there are none. Pods in back-off after an error wait in any case: it protects the API server.
 */
import facts from '#apis/facts/scheduler.json' with { type: 'json' };
import type { Clock, Timer } from '#base/clock.ts';
import { type Pod, podKey } from '../api-objects.ts';
import { newPodInfo } from '../framework/pod-info.ts';
import type { Status } from '../framework/status.ts';
import { type ClusterEvent, mayHelp } from './cluster-event.ts';
import { KeyedHeap } from './heap.ts';
import type { QueuedPodInfo } from './queued-pod-info.ts';

export interface SchedulingQueueOptions {
  clock: Clock;
  less(a: QueuedPodInfo, b: QueuedPodInfo): boolean;
  preEnqueue(pod: Pod): Status | undefined;
  /** For scheduler_queue_incoming_pods_total. */
  onIncoming?(queue: 'active' | 'backoff' | 'unschedulable' | 'gated', event: string): void;
  podInitialBackoffMs?: number;
  podMaxBackoffMs?: number;
  podMaxInUnschedulablePodsMs?: number;
}

interface BackingOff {
  pod: QueuedPodInfo;
  untilMs: number;
}

const { queue: queueFacts } = facts;

export class SchedulingQueue {
  #options: SchedulingQueueOptions;
  #clock: Clock;
  #initialBackoffMs: number;
  #maxBackoffMs: number;
  #maxUnschedulableMs: number;
  #active: KeyedHeap<QueuedPodInfo>;
  #backoff = new KeyedHeap<BackingOff>((a, b) => a.untilMs < b.untilMs);
  #errorBackoff = new KeyedHeap<BackingOff>((a, b) => a.untilMs < b.untilMs);
  #unschedulable = new Map<string, QueuedPodInfo>();
  #inHand = new Map<string, QueuedPodInfo>();
  #sequence = 0;
  #waiter: (() => void) | undefined;
  #backoffTimer: Timer | undefined;
  #flushTimer: Timer | undefined;

  constructor(options: SchedulingQueueOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#initialBackoffMs = options.podInitialBackoffMs ?? queueFacts.podInitialBackoffSeconds * 1000;
    this.#maxBackoffMs = options.podMaxBackoffMs ?? queueFacts.podMaxBackoffSeconds * 1000;
    this.#maxUnschedulableMs =
      options.podMaxInUnschedulablePodsMs ?? queueFacts.podMaxInUnschedulablePodsSeconds * 1000;
    this.#active = new KeyedHeap(options.less);
  }

  /** A pod without a node has appeared. */
  add(pod: Pod): void {
    const queued: QueuedPodInfo = {
      key: podKey(pod),
      info: newPodInfo(pod),
      timestampMs: this.#clock.monotonic(),
      sequence: this.#sequence++,
      firstAttemptMs: undefined,
      attempts: 0,
      unschedulableCount: 0,
      consecutiveErrors: 0,
      unschedulablePlugins: new Set(),
      isGated: false,
    };
    this.delete(queued.key);
    this.#activate(queued, 'PodAdd');
  }

  /** It has changed. Changes of its status alone, which are mostly our own, do not bring it back. */
  update(pod: Pod, old: Pod): void {
    const key = podKey(pod);
    const queued = this.#find(key);
    if (!queued) {
      const inHand = this.#inHand.get(key);
      if (inHand) inHand.info = newPodInfo(pod);
      else this.add(pod);
      return;
    }
    queued.info = newPodInfo(pod);
    if (this.#active.get(key)) this.#active.set(key, queued);
    if (this.#unschedulable.has(key) && isSchedulingChanged(pod, old)) {
      this.#unschedulable.delete(key);
      this.#retry(queued, 'PodUpdate');
    }
  }

  /** It is gone, or has a node. */
  delete(key: string): void {
    this.#active.delete(key);
    this.#backoff.delete(key);
    this.#errorBackoff.delete(key);
    this.#unschedulable.delete(key);
    this.#inHand.delete(key);
    this.#setTimers();
  }

  /** The next to be scheduled; the caller gives it back with `done` or one of the failures. */
  pop(): QueuedPodInfo | undefined {
    const queued = this.#active.pop() ?? this.#backoff.pop()?.pod;
    if (!queued) return undefined;
    queued.attempts++;
    queued.firstAttemptMs ??= this.#clock.monotonic();
    this.#inHand.set(queued.key, queued);
    return queued;
  }

  /** Resolves when `pop` may give something, or the signal aborts. */
  whenReady(signal: AbortSignal): Promise<void> {
    if (this.#active.size + this.#backoff.size > 0 || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        signal.removeEventListener('abort', done);
        this.#waiter = undefined;
        resolve();
      };
      this.#waiter = done;
      signal.addEventListener('abort', done, { once: true });
    });
  }

  done(queued: QueuedPodInfo): void {
    if (this.#inHand.get(queued.key) === queued) this.#inHand.delete(queued.key);
  }

  /** No node fits: it waits until something changes that could help with `plugins`. */
  addUnschedulable(queued: QueuedPodInfo, plugins: ReadonlySet<string>): void {
    if (!this.#takeBack(queued)) return;
    queued.unschedulablePlugins = new Set(plugins);
    queued.unschedulableCount++;
    queued.consecutiveErrors = 0;
    this.#park(queued, 'ScheduleAttemptFailure');
  }

  /** Something broke: it tries again after its back-off, whatever happens meanwhile. */
  addFailed(queued: QueuedPodInfo): void {
    if (!this.#takeBack(queued)) return;
    queued.unschedulablePlugins.clear();
    queued.consecutiveErrors++;
    const untilMs = this.#clock.monotonic() + this.#backoffMs(queued);
    this.#errorBackoff.set(queued.key, { pod: queued, untilMs });
    this.#options.onIncoming?.('backoff', 'ScheduleAttemptFailure');
    this.#setTimers();
  }

  /** Something happened in the cluster: whom it could help tries again. */
  moveAllOnEvent(event: ClusterEvent): void {
    for (const queued of [...this.#unschedulable.values()]) {
      if (queued.isGated || !mayHelp(event, queued.unschedulablePlugins)) continue;
      this.#unschedulable.delete(queued.key);
      this.#retry(queued, `${event.resource}${event.action}`);
    }
    this.#setTimers();
  }

  /** How many wait where, for scheduler_pending_pods. */
  get pending(): { active: number; backoff: number; unschedulable: number; gated: number } {
    let gated = 0;
    for (const queued of this.#unschedulable.values()) if (queued.isGated) gated++;
    return {
      active: this.#active.size,
      backoff: this.#backoff.size + this.#errorBackoff.size,
      unschedulable: this.#unschedulable.size - gated,
      gated,
    };
  }

  /** The most attempts that a waiting pod has behind it. */
  get attemptsMax(): number {
    let most = 0;
    const count = ({ attempts, isGated }: QueuedPodInfo) => {
      if (!isGated && attempts > most) most = attempts;
    };
    for (const queued of this.#active.values()) count(queued);
    for (const { pod } of this.#backoff.values()) count(pod);
    for (const { pod } of this.#errorBackoff.values()) count(pod);
    for (const queued of this.#unschedulable.values()) count(queued);
    for (const queued of this.#inHand.values()) count(queued);
    return most;
  }

  close(): void {
    this.#backoffTimer?.cancel();
    this.#flushTimer?.cancel();
    this.#backoffTimer = undefined;
    this.#flushTimer = undefined;
  }

  /** False when it was deleted, or replaced, while it was in hand. */
  #takeBack(queued: QueuedPodInfo): boolean {
    if (this.#inHand.get(queued.key) !== queued) return false;
    this.#inHand.delete(queued.key);
    return true;
  }

  #activate(queued: QueuedPodInfo, event: string): void {
    const refusal = this.#options.preEnqueue(queued.info.pod);
    queued.isGated = refusal !== undefined;
    if (refusal) {
      if (refusal.plugin) queued.unschedulablePlugins.add(refusal.plugin);
      this.#park(queued, event);
      return;
    }
    this.#active.set(queued.key, queued);
    this.#options.onIncoming?.('active', event);
    this.#waiter?.();
  }

  #park(queued: QueuedPodInfo, event: string): void {
    queued.timestampMs = this.#clock.monotonic();
    this.#unschedulable.set(queued.key, queued);
    this.#options.onIncoming?.(queued.isGated ? 'gated' : 'unschedulable', event);
    this.#setTimers();
  }

  #retry(queued: QueuedPodInfo, event: string): void {
    const untilMs = queued.timestampMs + this.#backoffMs(queued);
    if (queued.isGated || untilMs <= this.#clock.monotonic()) {
      this.#activate(queued, event);
      return;
    }
    this.#backoff.set(queued.key, { pod: queued, untilMs });
    this.#options.onIncoming?.('backoff', event);
    this.#setTimers();
    this.#waiter?.();
  }

  #find(key: string): QueuedPodInfo | undefined {
    return (
      this.#active.get(key) ??
      this.#backoff.get(key)?.pod ??
      this.#errorBackoff.get(key)?.pod ??
      this.#unschedulable.get(key)
    );
  }

  /** 1 s, 2 s, 4 s, 8 s, 10 s, … */
  #backoffMs(queued: QueuedPodInfo): number {
    const count = queued.consecutiveErrors || queued.unschedulableCount;
    return count === 0 ? 0 : Math.min(this.#maxBackoffMs, this.#initialBackoffMs * 2 ** Math.min(count - 1, 30));
  }

  /** Timers run only while somebody waits for them. */
  #setTimers(): void {
    const now = this.#clock.monotonic();
    this.#backoffTimer?.cancel();
    const next = Math.min(this.#backoff.peek()?.untilMs ?? Infinity, this.#errorBackoff.peek()?.untilMs ?? Infinity);
    this.#backoffTimer = Number.isFinite(next)
      ? this.#clock.setTimer(Math.max(1, Math.ceil(next - now)), () => this.#flushBackoff())
      : undefined;
    const flushMs = queueFacts.flushUnschedulableEverySeconds * 1000;
    if (this.#unschedulable.size > 0)
      this.#flushTimer ??= this.#clock.setTimer(flushMs, () => this.#flushUnschedulable());
  }

  #flushBackoff(): void {
    const now = this.#clock.monotonic();
    for (const heap of [this.#backoff, this.#errorBackoff]) {
      while (heap.size > 0 && heap.peek()!.untilMs <= now) this.#activate(heap.pop()!.pod, 'BackoffComplete');
    }
    this.#setTimers();
  }

  /** Lest a missed event leave a pod waiting for ever. */
  #flushUnschedulable(): void {
    this.#flushTimer = undefined;
    const before = this.#clock.monotonic() - this.#maxUnschedulableMs;
    for (const queued of [...this.#unschedulable.values()]) {
      if (queued.isGated || queued.timestampMs > before) continue;
      this.#unschedulable.delete(queued.key);
      this.#retry(queued, 'UnschedulableTimeout');
    }
    this.#setTimers();
  }
}

/** Anything but status and what the server keeps for itself. */
function isSchedulingChanged(pod: Pod, old: Pod): boolean {
  const relevant = (p: Pod) => JSON.stringify([p.spec, p.metadata.labels, p.metadata.annotations]);
  return relevant(pod) !== relevant(old);
}
