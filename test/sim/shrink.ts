/**
 * A failing plan made smaller: faults, watchers, clients and steps are left out as long as it fails in the same way. What
 * is left is what matters, and its trace can be read.
 */
import type { Plan } from './plan.ts';
import { type RunOptions, runPlan } from './run-seed.ts';

/** Runs at most: more seldom make it much smaller. */
const runsMax = 400;

export async function shrink(
  plan: Plan,
  what: string,
  options: RunOptions = {},
): Promise<{ plan: Plan; runs: number }> {
  let best = plan;
  let runs = 0;
  const stillFails = async (candidate: Plan): Promise<boolean> => {
    if (runs >= runsMax) return false;
    runs++;
    const { violations } = await runPlan(candidate, { ...options, keepTrace: false });
    if (!violations.some((violation) => violation.what === what)) return false;
    best = candidate;
    return true;
  };
  for (let isSmaller = true; isSmaller && runs < runsMax; ) {
    const before = sizeOf(best);
    await withFewer(best.faults, (faults) => stillFails({ ...best, faults }));
    await withFewer(best.watchers, (watchers) => stillFails({ ...best, watchers }));
    await withFewer(best.clients, (clients) => stillFails({ ...best, clients }));
    for (const { name } of best.clients) {
      const stepsOf = (plan: Plan) => plan.clients.find((client) => client.name === name)?.steps ?? [];
      await withFewer(stepsOf(best), (steps) =>
        stillFails({
          ...best,
          clients: best.clients.map((client) => (client.name === name ? { ...client, steps } : client)),
        }),
      );
    }
    isSmaller = sizeOf(best) < before;
  }
  return { plan: best, runs };
}

/** Leaves out halves, then quarters, and so on. */
async function withFewer<T>(items: readonly T[], stillFails: (items: readonly T[]) => Promise<boolean>): Promise<void> {
  let left = items;
  for (
    let size = Math.ceil(left.length / 2);
    size >= 1 && left.length > 0;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    for (let from = 0; from < left.length; ) {
      const fewer = left.filter((_, i) => i < from || i >= from + size);
      if (await stillFails(fewer)) left = fewer;
      else from += size;
    }
  }
}

export function sizeOf({ faults, watchers, clients }: Plan): number {
  return faults.length + watchers.length + clients.reduce((sum, { steps }) => sum + 1 + steps.length, 0);
}
