/** How long things take: chances that make rare orders common, not a model of any machine. */
import type { Plan } from './plan.ts';
import type { Random } from './random.ts';

const delays: Record<Plan['network'], (random: Random) => number> = {
  quick: (random) => random.below(2),
  uneven: (random) => (random.chance(0.9) ? random.below(3) : random.below(200)),
  slow: (random) => 5 + random.below(60),
};

const syncs: Record<Plan['disk'], (random: Random) => number> = {
  quick: () => 1,
  uneven: (random) => (random.chance(0.9) ? random.below(5) : random.below(300)),
  slow: (random) => 10 + random.below(40),
};

export const delayMsOf = (network: Plan['network']) => delays[network];
export const syncMsOf = (disk: Plan['disk']) => syncs[disk];
