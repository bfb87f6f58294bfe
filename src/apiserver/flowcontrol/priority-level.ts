import type { KubeObject } from '#apimachinery/object.ts';
import type { Clock } from '#base/clock.ts';
import { FairQueues, type Queuing } from './fair-queuing.ts';
import type { LevelLimits, LevelShares } from './seat-allocation.ts';
import type { DemandSummary } from './seat-demand.ts';
import { isDealable } from './shuffle-sharding.ts';

/** A PriorityLevelConfiguration at work: its seats, its queues, and what it wanted lately. */
export class PriorityLevel {
  readonly name: string;
  uid = '';
  shares: LevelShares;
  queues: FairQueues;
  limits: LevelLimits = { nominal: 0, min: 0, max: 0 };
  demand: DemandSummary = { average: 0, deviation: 0, max: 0 };
  smoothedDemand = 0;
  target = 0;

  constructor(object: KubeObject, clock: Clock) {
    this.name = object.metadata.name ?? '';
    this.shares = sharesOf(object);
    this.queues = new FairQueues(clock, undefined, 0);
    this.update(object);
  }

  get isExempt(): boolean {
    return this.shares.isExempt;
  }

  update(object: KubeObject): void {
    this.uid = object.metadata.uid ?? '';
    this.shares = sharesOf(object);
    this.queues.configure(queuingOf(object));
  }
}

function sharesOf({ metadata, spec }: KubeObject): LevelShares {
  const isExempt = spec?.type === 'Exempt';
  const part = (isExempt ? spec?.exempt : spec?.limited) ?? {};
  return {
    name: metadata.name ?? '',
    isExempt,
    nominalConcurrencyShares: part.nominalConcurrencyShares ?? (isExempt ? 0 : 30),
    lendablePercent: part.lendablePercent ?? 0,
    borrowingLimitPercent: part.borrowingLimitPercent,
  };
}

function queuingOf({ spec }: KubeObject): Queuing | undefined {
  const response = spec?.limited?.limitResponse;
  if (response?.type !== 'Queue') return undefined;
  const { queues = 64, handSize = 8, queueLengthLimit = 50 } = response.queuing ?? {};
  // Validation keeps out what cannot be dealt; an object from before it gets the nearest hand that can.
  let hand = Math.max(1, Math.min(handSize, queues));
  while (hand > 1 && !isDealable(queues, hand)) hand--;
  return { queues: Math.max(1, queues), handSize: hand, queueLengthLimit };
}
