import facts from '#apis/facts/metrics/kube-scheduler.json' with { type: 'json' };
import type { Clock } from '#base/clock.ts';
import { ComponentMetrics } from '#client/component-metrics.ts';
import type { AttemptResult, SchedulingObserver } from './scheduling-observer.ts';

export interface SchedulerGauges {
  pending(): Record<'active' | 'backoff' | 'unschedulable' | 'gated', number>;
  /** The most attempts that a waiting pod has behind it. */
  attemptsMax(): number;
  cacheSize(): { nodes: number; pods: number; assumed_pods: number };
}

/** scheduler_*, by upstream's names. */
export class SchedulerMetrics extends ComponentMetrics implements SchedulingObserver {
  #profile: string;
  #attempts = this.counter('scheduler_schedule_attempts_total', 'Attempts to schedule pods, by result');
  #attemptSeconds = this.histogram(
    'scheduler_scheduling_attempt_duration_seconds',
    'Duration of an attempt: choosing a node, and binding',
  );
  #algorithmSeconds = this.histogram('scheduler_scheduling_algorithm_duration_seconds', 'Duration of choosing a node');
  #podAttempts = this.histogram('scheduler_pod_scheduling_attempts', 'Attempts it took to schedule a pod');
  #sliSeconds = this.histogram(
    'scheduler_pod_scheduling_sli_duration_seconds',
    'From the first attempt until a pod is bound',
  );
  #incoming = this.counter('scheduler_queue_incoming_pods_total', 'Pods that came into a queue, by event');

  constructor(clock: Clock, profile: string) {
    super(facts, clock);
    this.#profile = profile;
  }

  watch(gauges: SchedulerGauges): void {
    this.gauge('scheduler_pending_pods', 'Pods that wait, by queue', (gauge) => {
      for (const [queue, count] of Object.entries(gauges.pending())) gauge.set({ queue }, count);
    });
    // Upstream's histogram of attempts counts a pod once it has a node: one that never gets any is not in it.
    this.extraGauge(
      'scheduler_scheduling_attempts',
      'Attempts made for the waiting pod with the most of them',
      (gauge) => gauge.set(gauges.attemptsMax()),
    );
    this.gauge('scheduler_cache_size', 'Nodes, pods and assumed pods in the cache', (gauge) => {
      for (const [type, count] of Object.entries(gauges.cacheSize())) gauge.set({ type }, count);
    });
  }

  attempted(result: AttemptResult, durationMs: number): void {
    const labels = { profile: this.#profile, result };
    this.#attempts.inc(labels);
    this.#attemptSeconds.observe(labels, durationMs / 1000);
  }

  nodeChosen(durationMs: number): void {
    this.#algorithmSeconds.observe(durationMs / 1000);
  }

  scheduled(attempts: number, sinceFirstAttemptMs: number): void {
    this.#podAttempts.observe(attempts);
    this.#sliSeconds.observe({ attempts: attempts > 15 ? '16+' : String(attempts) }, sinceFirstAttemptMs / 1000);
  }

  incoming(queue: string, event: string): void {
    this.#incoming.inc({ queue, event });
  }
}
