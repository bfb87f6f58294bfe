/**
 * A component's metrics: names, types, labels and buckets are upstream's facts, the help texts ours. What every
 * component has stands here: its process, and whether it leads.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Clock } from '#base/clock.ts';

/** facts/metrics/<component>.json */
export interface MetricFacts {
  metrics: { name: string; type: string; labels: string[]; buckets?: (number | string)[] }[];
}

export class ComponentMetrics {
  readonly registry = new Registry();
  #facts: MetricFacts;

  constructor(facts: MetricFacts, clock: Clock) {
    this.#facts = facts;
    this.#addProcess(clock);
  }

  counter(name: string, help: string): Counter {
    return new Counter({ name, help, labelNames: this.#fact(name).labels, registers: [this.registry] });
  }

  /** `collect` sets it at each scrape. */
  gauge(name: string, help: string, collect?: (gauge: Gauge) => void): Gauge {
    const gauge: Gauge = new Gauge({
      name,
      help,
      labelNames: this.#fact(name).labels,
      registers: [this.registry],
      ...(collect && { collect: () => collect(gauge) }),
    });
    return gauge;
  }

  /** One that upstream has not. */
  extraGauge(name: string, help: string, collect: (gauge: Gauge) => void): void {
    const gauge: Gauge = new Gauge({ name, help, registers: [this.registry], collect: () => collect(gauge) });
  }

  histogram(name: string, help: string): Histogram {
    const { labels, buckets = [] } = this.#fact(name);
    const bounds = buckets.filter((b) => typeof b === 'number');
    return new Histogram({ name, help, labelNames: labels, buckets: bounds, registers: [this.registry] });
  }

  /** 1 while this process leads. */
  leaderElection(name: string, isLeader: () => boolean): void {
    this.gauge('leader_election_master_status', '1 if this process is the leader, else 0', (gauge) =>
      gauge.set({ name }, isLeader() ? 1 : 0),
    );
  }

  /** What a scrape gets. */
  async scrape(): Promise<{ contentType: string; body: string }> {
    return { contentType: this.registry.contentType, body: await this.registry.metrics() };
  }

  #fact(name: string): MetricFacts['metrics'][number] {
    const fact = this.#facts.metrics.find((m) => m.name === name);
    if (!fact) throw new Error(`no fact about the metric ${name}`);
    return fact;
  }

  #addProcess(clock: Clock): void {
    const startSeconds = clock.now() / 1000 - process.uptime();
    this.gauge('process_start_time_seconds', 'When the process started, seconds since the epoch', (gauge) =>
      gauge.set(startSeconds),
    );
    this.gauge('process_resident_memory_bytes', 'Resident memory', (gauge) => gauge.set(process.memoryUsage.rss()));
    let countedSeconds = 0;
    new Counter({
      name: 'process_cpu_seconds_total',
      help: 'User and system CPU time',
      registers: [this.registry],
      collect() {
        const { user, system } = process.cpuUsage();
        const seconds = (user + system) / 1e6;
        this.inc(seconds - countedSeconds);
        countedSeconds = seconds;
      },
    });
  }
}
