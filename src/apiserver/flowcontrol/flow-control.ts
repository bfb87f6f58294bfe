/**
 * Priority and fairness as a whole: which flow a request belongs to, which level serves it, and how many seats each level
 * has. It follows the FlowSchemas and PriorityLevelConfigurations of the API; until they are known, and where they are
 * missing, it works with those a cluster starts with, so that no request is ever unclassified.
 */
import type { KubeObject } from '#apimachinery/object.ts';
import { type Clock, sleep } from '#base/clock.ts';
import type { ApiRequest } from '../request.ts';
import { FlowStats, renderFlowMetrics } from './flow-metrics.ts';
import { compileFlowSchemas, type FlowSchema } from './flow-schema.ts';
import { PriorityLevel } from './priority-level.ts';
import { allocateSeats, nominalLimits, smoothDemand } from './seat-allocation.ts';

export interface Classification {
  schema: FlowSchema;
  level: PriorityLevel;
  stats: FlowStats;
}

export const borrowingPeriodMs = 10_000;

export class FlowControl {
  readonly #clock: Clock;
  readonly #serverSeats: number;
  readonly #bootstrap: { schemas: readonly KubeObject[]; levels: readonly KubeObject[] };
  #levels = new Map<string, PriorityLevel>();
  /** In order of precedence; the last one takes everything. */
  #classes: Classification[] = [];
  #stats = new Map<string, FlowStats>();
  #fairFraction = 0;

  constructor(
    clock: Clock,
    serverSeats: number,
    bootstrap: { schemas: readonly KubeObject[]; levels: readonly KubeObject[] },
  ) {
    this.#clock = clock;
    this.#serverSeats = serverSeats;
    this.#bootstrap = bootstrap;
    this.configure([], []);
  }

  /** What the API has. The mandatory ones (exempt, catch-all) are there even when it has not. */
  configure(schemas: readonly KubeObject[], levels: readonly KubeObject[]): void {
    const isFresh = schemas.length === 0 && levels.length === 0;
    const isWanted = ({ metadata }: KubeObject) => isFresh || isMandatory(metadata.name ?? '');
    const before = this.#levels;
    this.#levels = new Map();
    for (const object of withMissing(levels, this.#bootstrap.levels.filter(isWanted))) {
      const level = before.get(object.metadata.name!) ?? new PriorityLevel(object, this.#clock);
      level.update(object);
      this.#levels.set(level.name, level);
    }
    const limits = nominalLimits(
      this.#serverSeats,
      [...this.#levels.values()].map((level) => level.shares),
    );
    for (const level of this.#levels.values()) {
      const wanted = limits.get(level.name)!;
      const isChanged = wanted.nominal !== level.limits.nominal || wanted.min !== level.limits.min;
      level.limits = wanted;
      if (isChanged) level.queues.setLimit(wanted.nominal);
    }
    this.#classes = [];
    const stats = new Map<string, FlowStats>();
    for (const schema of compileFlowSchemas(withMissing(schemas, this.#bootstrap.schemas.filter(isWanted)))) {
      const level = this.#levels.get(schema.levelName);
      // Dangling: as if it were not there.
      if (!level) continue;
      const key = `${schema.name} ${level.name}`;
      const kept = this.#stats.get(key) ?? new FlowStats(schema.name, level.name);
      stats.set(key, kept);
      this.#classes.push({ schema, level, stats: kept });
    }
    this.#stats = stats;
  }

  /** Catch-all is the last and matches everyone who is authenticated or not. */
  classify(request: ApiRequest): Classification {
    for (const candidate of this.#classes) if (candidate.schema.matches(request)) return candidate;
    return this.#classes.at(-1)!;
  }

  hasLevel(name: string): boolean {
    return this.#levels.has(name);
  }

  get levels(): Iterable<PriorityLevel> {
    return this.#levels.values();
  }

  /** Lends and takes back seats, by what the levels wanted since the last time. */
  adjust(): void {
    const levels = [...this.#levels.values()];
    for (const level of levels) {
      level.demand = level.queues.demand.take();
      level.smoothedDemand = smoothDemand(level.smoothedDemand, level.demand);
    }
    const { current, targets, fairFraction } = allocateSeats(
      this.#serverSeats,
      levels.map((level) => ({
        ...level.limits,
        name: level.name,
        isExempt: level.isExempt,
        demandMax: level.demand.max,
        demandSmoothed: level.smoothedDemand,
      })),
    );
    this.#fairFraction = fairFraction;
    for (const level of levels) {
      level.target = targets.get(level.name)!;
      level.queues.setLimit(current.get(level.name)!);
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(this.#clock, borrowingPeriodMs, signal);
      if (!signal.aborted) this.adjust();
    }
  }

  render(): string {
    return renderFlowMetrics(this.#stats.values(), this.#levels.values(), this.#fairFraction);
  }
}

/** Without these two there would be requests that belong nowhere, and administrators locked out. */
export function isMandatory(name: string): boolean {
  return name === 'exempt' || name === 'catch-all';
}

function withMissing(objects: readonly KubeObject[], mandatory: readonly KubeObject[]): KubeObject[] {
  const names = new Set(objects.map((object) => object.metadata.name));
  return [...objects, ...mandatory.filter((object) => !names.has(object.metadata.name))];
}
