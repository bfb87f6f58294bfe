/**
 * rate, increase and delta as Prometheus has them: what the samples inside the window show, stretched to the window's
 * ends when the samples reach nearly there, by half a sample's distance when they do not. A counter that fell has begun
 * anew; stretched back it never goes below zero.
 */
import type { RangeFunction } from './expression.ts';
import type { Point } from './samples.ts';

/** Samples that end further from the window's end than so many of their distances do not reach it. */
const reachIntervals = 1.1;

/** Per second for rate; undefined with fewer than two samples in the window. */
export function extrapolated(
  name: RangeFunction,
  points: readonly Point[],
  from: number,
  to: number,
): number | undefined {
  const inside = points.filter((p): p is { at: number; value: number } => {
    return p.at >= from && p.at <= to && p.value !== undefined;
  });
  const first = inside[0];
  const last = inside.at(-1);
  if (!first || !last || inside.length < 2) return undefined;
  const isCounter = name !== 'delta';
  let change = last.value - first.value;
  if (isCounter) {
    for (let i = 1; i < inside.length; i++) {
      if (inside[i]!.value < inside[i - 1]!.value) change += inside[i - 1]!.value;
    }
  }
  const sampledMs = last.at - first.at;
  const intervalMs = sampledMs / (inside.length - 1);
  let toStartMs = first.at - from;
  if (isCounter && change > 0 && first.value >= 0) toStartMs = Math.min(toStartMs, sampledMs * (first.value / change));
  const stretch = (gapMs: number) => (gapMs < intervalMs * reachIntervals ? gapMs : intervalMs / 2);
  const factor = (sampledMs + stretch(toStartMs) + stretch(to - last.at)) / sampledMs;
  return name === 'rate' ? (change * factor) / ((to - from) / 1000) : change * factor;
}
