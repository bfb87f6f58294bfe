import { maxNodeScore } from './plugin.ts';

/** In proportion, the largest becoming 100; `reverse`: the largest becoming 0, and all 100 when all are 0. */
export function normalizeTo100(scores: Float64Array, reverse: boolean): void {
  let max = 0;
  for (let i = 0; i < scores.length; i++) max = Math.max(max, scores[i]!);
  for (let i = 0; i < scores.length; i++) {
    const score = max === 0 ? 0 : Math.floor((maxNodeScore * scores[i]!) / max);
    scores[i] = reverse ? maxNodeScore - score : score;
  }
}
