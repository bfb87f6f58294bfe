/** What is counted of flow control, under upstream's names; rendered on demand. Series are bounded by what is configured. */
import type { Rejection } from './fair-queuing.ts';
import type { PriorityLevel } from './priority-level.ts';

const waitBuckets = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30];
const lengthBuckets = [0, 10, 25, 50, 100, 250, 500, 1000];
const seatBuckets = [1, 2, 4, 8, 16, 32, 64, 100];

export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;
  #count = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Array<number>(bounds.length).fill(0);
  }

  observe(value: number): void {
    this.#sum += value;
    this.#count++;
    for (let i = 0; i < this.#bounds.length; i++) {
      if (value > this.#bounds[i]!) continue;
      this.#counts[i]!++;
      return;
    }
  }

  render(lines: string[], name: string, labels: string): void {
    if (this.#count === 0) return;
    let below = 0;
    for (const [i, le] of this.#bounds.entries()) {
      below += this.#counts[i]!;
      lines.push(`${name}_bucket{${labels},le="${le}"} ${below}`);
    }
    lines.push(`${name}_bucket{${labels},le="+Inf"} ${this.#count}`);
    lines.push(`${name}_sum{${labels}} ${this.#sum}`, `${name}_count{${labels}} ${this.#count}`);
  }
}

/** Of one flow schema at one level. */
export class FlowStats {
  readonly labels: string;
  executing = 0;
  executingSeats = 0;
  waiting = 0;
  waitingSeats = 0;
  dispatched = 0;
  readonly rejected = new Map<Rejection, number>();
  readonly waited = new Histogram(waitBuckets);
  readonly waitedInVain = new Histogram(waitBuckets);
  readonly executed = new Histogram(waitBuckets);
  readonly executedWatches = new Histogram(waitBuckets);
  readonly queueLength = new Histogram(lengthBuckets);
  readonly seats = new Histogram(seatBuckets);

  constructor(schema: string, level: string) {
    this.labels = `flow_schema="${schema}",priority_level="${level}"`;
  }

  get isIdle(): boolean {
    return this.executing === 0 && this.waiting === 0;
  }
}

const prefix = 'apiserver_flowcontrol_';

export function renderFlowMetrics(
  flows: Iterable<FlowStats>,
  levels: Iterable<PriorityLevel>,
  fairFraction: number,
): string {
  const lines: string[] = [];
  const all = [...flows];
  const head = (name: string, type: string, help: string): string => {
    lines.push(`# HELP ${prefix}${name} ${help}`, `# TYPE ${prefix}${name} ${type}`);
    return prefix + name;
  };
  const perFlow = (name: string, type: 'counter' | 'gauge', help: string, value: (f: FlowStats) => number) => {
    const full = head(name, type, help);
    for (const flow of all) lines.push(`${full}{${flow.labels}} ${value(flow)}`);
  };
  const histogram = (name: string, help: string, of: (f: FlowStats) => [Histogram, string][]) => {
    const full = head(name, 'histogram', help);
    for (const flow of all) for (const [h, more] of of(flow)) h.render(lines, full, more + flow.labels);
  };
  perFlow('dispatched_requests_total', 'counter', 'Requests that got their seats.', (f) => f.dispatched);
  perFlow('current_executing_requests', 'gauge', 'Requests executing now.', (f) => f.executing);
  perFlow('current_executing_seats', 'gauge', 'Seats in use now.', (f) => f.executingSeats);
  perFlow('current_inqueue_requests', 'gauge', 'Requests waiting now.', (f) => f.waiting);
  perFlow('current_inqueue_seats', 'gauge', 'Seats waited for now.', (f) => f.waitingSeats);
  const rejected = head('rejected_requests_total', 'counter', 'Requests refused, by reason.');
  for (const { labels, rejected: byReason } of all) {
    for (const [reason, total] of byReason) lines.push(`${rejected}{${labels},reason="${reason}"} ${total}`);
  }
  histogram('request_wait_duration_seconds', 'Time spent waiting for seats.', (f) => [
    [f.waited, 'execute="true",'],
    [f.waitedInVain, 'execute="false",'],
  ]);
  histogram('request_execution_seconds', 'Time from getting the seats to the answer.', (f) => [
    [f.executed, 'type="regular",'],
    [f.executedWatches, 'type="watch",'],
  ]);
  histogram('request_queue_length_after_enqueue', 'Length of the queue a request joined.', (f) => [
    [f.queueLength, ''],
  ]);
  histogram('work_estimated_seats', 'Seats a request was estimated to need.', (f) => [[f.seats, '']]);

  const known = [...levels];
  const perLevel = (name: string, help: string, value: (level: PriorityLevel) => number | undefined) => {
    const full = head(name, 'gauge', help);
    for (const level of known) {
      const number = value(level);
      if (number !== undefined) lines.push(`${full}{priority_level="${level.name}"} ${number}`);
    }
  };
  perLevel('nominal_limit_seats', 'Seats by share.', (l) => l.limits.nominal);
  perLevel('lower_limit_seats', 'Seats that are never lent.', (l) => l.limits.min);
  perLevel('upper_limit_seats', 'Seats at the most.', (l) => l.limits.max);
  perLevel('current_limit_seats', 'Seats until the next adjustment.', (l) => l.queues.limit);
  perLevel('demand_seats_high_watermark', 'Most seats wanted in the last period.', (l) => l.demand.max);
  perLevel('demand_seats_average', 'Seats wanted in the last period, on average.', (l) => l.demand.average);
  perLevel('demand_seats_stdev', 'Standard deviation of the seats wanted.', (l) => l.demand.deviation);
  perLevel('demand_seats_smoothed', 'Seats wanted, smoothed over periods.', (l) => l.smoothedDemand);
  perLevel('target_seats', 'Seats aimed at in the last adjustment.', (l) => l.target);
  perLevel('current_r', 'Virtual time, in seat-seconds.', (l) => (l.isExempt ? undefined : l.queues.currentR));
  lines.push(
    `# HELP ${prefix}seat_fair_frac Fraction of its target that each level got.`,
    `# TYPE ${prefix}seat_fair_frac gauge`,
    `${prefix}seat_fair_frac ${fairFraction}`,
  );
  return `${lines.join('\n')}\n`;
}
