/**
 * How the server's seats are divided among its priority levels: fixed shares at first, and every ten seconds anew, so that
 * what one level does not use others may borrow. Source of the rules: KEP-1040, "Dispatching requests" and "Borrowing".
 */
import type { DemandSummary } from './seat-demand.ts';

export interface LevelShares {
  name: string;
  isExempt: boolean;
  nominalConcurrencyShares: number;
  lendablePercent: number;
  /** Undefined: as much as there is. */
  borrowingLimitPercent: number | undefined;
}

export interface LevelLimits {
  /** Its share of the server. */
  nominal: number;
  /** What it never lends away. */
  min: number;
  /** What it has at the most when it borrows. */
  max: number;
}

/** Shares into seats. They may add up to a little more than the server has: each level gets the next whole number. */
export function nominalLimits(serverSeats: number, levels: readonly LevelShares[]): Map<string, LevelLimits> {
  const shares = levels.reduce((sum, level) => sum + level.nominalConcurrencyShares, 0);
  const limits = new Map<string, LevelLimits>();
  for (const level of levels) {
    const nominal = shares === 0 ? 0 : Math.ceil((serverSeats * level.nominalConcurrencyShares) / shares);
    const lendable = Math.round((nominal * level.lendablePercent) / 100);
    const borrowed =
      level.borrowingLimitPercent === undefined
        ? serverSeats
        : Math.round((nominal * level.borrowingLimitPercent) / 100);
    limits.set(level.name, {
      nominal,
      min: nominal - lendable,
      max: level.isExempt ? serverSeats : nominal + borrowed,
    });
  }
  return limits;
}

/** Per period of ten seconds, how much of the smoothed demand outlasts one in which there was less. */
const smoothing = 0.977;

/** Up at once, down slowly: seats are not taken back from who paused for a moment. */
export function smoothDemand(before: number, { average, deviation }: DemandSummary): number {
  const envelope = average + deviation;
  return Math.max(envelope, smoothing * before + (1 - smoothing) * envelope);
}

export interface AllocationInput extends LevelLimits {
  name: string;
  isExempt: boolean;
  demandMax: number;
  demandSmoothed: number;
}

export interface Allocation {
  /** By level: its seats until the next time. */
  current: Map<string, number>;
  /** What each was aiming at. */
  targets: Map<string, number>;
  /** Everyone gets this fraction of its target, within its own limits. */
  fairFraction: number;
}

/**
 * Each level gets `fairFraction × target`, but at least what it may insist on (its own seats, as far as it used them) and at
 * the most its maximum; the fraction is the one with which the server's seats are all given out. Exempt levels are not
 * limited: what they used is taken off first.
 */
export function allocateSeats(serverSeats: number, levels: readonly AllocationInput[]): Allocation {
  const targets = new Map<string, number>();
  const current = new Map<string, number>();
  let seats = serverSeats;
  const bounded: { name: string; low: number; high: number; target: number }[] = [];
  for (const level of levels) {
    const low = Math.max(level.min, Math.min(level.nominal, level.demandMax));
    const target = Math.max(low, level.demandSmoothed);
    targets.set(level.name, target);
    if (level.isExempt) {
      current.set(level.name, Math.max(level.min, Math.ceil(level.demandMax)));
      seats -= Math.max(level.min, level.demandMax);
    } else bounded.push({ name: level.name, low, high: Math.max(low, level.max), target });
  }
  const lowSum = bounded.reduce((sum, level) => sum + level.low, 0);
  if (lowSum >= seats) {
    // More is insisted on than there is (exempt requests took it): everyone yields in proportion, down to one seat.
    const fraction = lowSum === 0 ? 0 : Math.max(0, seats) / lowSum;
    for (const level of bounded) current.set(level.name, Math.max(1, Math.round(level.low * fraction)));
    return { current, targets, fairFraction: fraction };
  }
  const fairFraction = solve(bounded, seats);
  for (const { name, low, high, target } of bounded) {
    current.set(name, Math.max(1, Math.round(clamp(fairFraction * target, low, high))));
  }
  return { current, targets, fairFraction };
}

type Bounded = { low: number; high: number; target: number };

/**
 * The f at which Σ clamp(f × target, low, high) = seats. The sum grows with f in straight pieces whose ends are where some
 * level meets a bound: those ends are walked upwards until the sum would pass `seats`, and the rest is a division.
 */
function solve(levels: readonly Bounded[], seats: number): number {
  const bends = levels
    .filter((level) => level.target > 0)
    .flatMap(({ low, high, target }) => [low / target, high / target])
    .sort((a, b) => a - b);
  let from = 0;
  for (const bend of bends) {
    if (total(levels, bend) >= seats) {
      const start = total(levels, from);
      const rise = total(levels, bend) - start;
      return rise <= 0 ? bend : from + ((seats - start) / rise) * (bend - from);
    }
    from = bend;
  }
  return from;
}

function total(levels: readonly Bounded[], fraction: number): number {
  return levels.reduce((sum, { low, high, target }) => sum + clamp(fraction * target, low, high), 0);
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
