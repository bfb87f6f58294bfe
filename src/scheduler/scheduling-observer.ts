/** What is measured of scheduling; scheduler-metrics.ts keeps it for Prometheus. */
export interface SchedulingObserver {
  attempted(result: AttemptResult, durationMs: number): void;
  nodeChosen(durationMs: number): void;
  scheduled(attempts: number, sinceFirstAttemptMs: number): void;
  incoming(queue: string, event: string): void;
}

export type AttemptResult = 'scheduled' | 'unschedulable' | 'error';

export const noObserver: SchedulingObserver = {
  attempted() {},
  nodeChosen() {},
  scheduled() {},
  incoming() {},
};
