/** One run: start, record under faults, read the store's history, judge. */
import { type Clock, sleep } from '#base/clock.ts';
import { check, type Verdict } from '#drills/model/checker.ts';
import type { History, StoreHistory } from '#drills/model/history.ts';
import { SeededRandom } from '#drills/model/random.ts';
import { record, silenceMaxMs } from '#drills/model/recorder.ts';
import type { Fault, Scenario } from './scenarios.ts';

export interface RunOptions {
  scenario: Scenario;
  seed: number;
  seconds: number;
  clock: Clock;
  /** Told of each fault as it begins. */
  onFault?(name: string): void;
}

export interface RunResult {
  verdict: Verdict;
  faults: string[];
  history: History;
  truth: StoreHistory;
}

/** Between two faults, at least and at most. */
const quietMs = [300, 1500] as const;

export async function runScenario({ scenario, seed, seconds, clock, onFault }: RunOptions): Promise<RunResult> {
  const running = await scenario.start();
  try {
    const random = new SeededRandom(seed);
    const over = new AbortController();
    const recording = record({ target: running.target, seed: Math.floor(random.next() * 2 ** 32), clock }, over.signal);
    const timer = clock.setTimer(seconds * 1000, () => over.abort());
    const faults = await inflictFaults(running.faults, random, clock, over.signal, onFault);
    const history = await recording;
    timer.cancel();
    const truth = await running.truth();
    const verdict = check(history, { truth, isOurs: running.isOurs, silenceMax: silenceMaxMs });
    return { verdict, faults, history, truth };
  } finally {
    await running.stop();
  }
}

/** Each fault in turn, in an order by chance; the one under way at the end is seen through. */
async function inflictFaults(
  faults: readonly Fault[],
  random: SeededRandom,
  clock: Clock,
  signal: AbortSignal,
  onFault: RunOptions['onFault'],
): Promise<string[]> {
  const inflicted: string[] = [];
  while (!signal.aborted) {
    await sleep(clock, quietMs[0] + random.next() * (quietMs[1] - quietMs[0]), signal);
    if (signal.aborted || faults.length === 0) continue;
    const fault = random.pick(faults);
    inflicted.push(fault.name);
    onFault?.(fault.name);
    await fault.inflict();
  }
  return inflicted;
}
