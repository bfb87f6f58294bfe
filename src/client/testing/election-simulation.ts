/**
 * Several electors on one store, each behind its own bad network and on its own drifting clock, under simulated time.
 * What is checked at every step: at most one of them may believe that it leads, and terms of work never overlap.
 */
import type { GroupVersionResource } from '#apimachinery/group-version.ts';
import type { Clock, Timer } from '#base/clock.ts';
import { silentLogger } from '#base/log.ts';
import { FakeClock } from '#base/testing/fake-clock.ts';
import type { ApiClient, ResourceClient } from '../client.ts';
import { createLeaderElector, type LeaderElector } from '../leader-election.ts';
import { FakeClient } from './fake-client.ts';
import { seededRandom } from './fixtures.ts';

export interface SimulationOptions {
  seed: number;
  candidates: number;
  durationMs: number;
  /** Chance that a request is lost on its way there, or its answer on its way back (each). */
  failures: number;
  /** Longest delay, each way. */
  delayMsMax: number;
  /** Clocks run at up to this much more or less than true time: 0.05 is 5 %. */
  drift: number;
  /** Chance per candidate and second of being frozen for up to 30 s, as by SIGSTOP. */
  freezes: number;
  /** Breaks the election on purpose, to see that the simulation notices. */
  sabotage?: boolean;
}

export interface SimulationResult {
  /** What went wrong, with the time of it. */
  violations: string[];
  terms: number;
  /** Share of the time in which there was a leader. */
  ledShare: number;
}

const timing = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 };
const stepMs = 100;

export async function simulateElection(options: SimulationOptions): Promise<SimulationResult> {
  const random = seededRandom(options.seed);
  const time = new FakeClock();
  const store = new FakeClient({ now: () => time.now() });
  const stop = new AbortController();
  const violations: string[] = [];
  let terms = 0;
  const candidates = Array.from({ length: options.candidates }, (_, i) => {
    const clock = new ProcessClock(time, 1 + options.drift * (random() * 2 - 1));
    const candidate = { name: `c${i}`, clock, isWorking: false, elector: undefined as unknown as LeaderElector };
    candidate.elector = createLeaderElector({
      ...timing,
      ...(options.sabotage ? { leaseDurationMs: 60_000, renewDeadlineMs: 50_000 } : {}),
      client: badNetwork(store, clock, random, options),
      namespace: 'kube-system',
      name: 'kube-scheduler',
      identity: candidate.name,
      releaseOnCancel: true,
      clock,
      random,
      log: silentLogger,
      onStartedLeading(signal) {
        terms++;
        candidate.isWorking = true;
        return new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            candidate.isWorking = false;
            resolve();
          });
        });
      },
    });
    return candidate;
  });
  if (options.sabotage) shortenLeases(store);
  const running = candidates.map((c) => c.elector.run(stop.signal));

  let ledSteps = 0;
  const steps = Math.floor(options.durationMs / stepMs);
  for (let step = 0; step < steps; step++) {
    await time.advance(stepMs);
    for (const c of candidates) if (random() < options.freezes * (stepMs / 1000)) c.clock.freeze(random() * 30_000);
    // A frozen process does nothing; awake, its clock tells it the truth before anything else.
    const leaders = candidates.filter((c) => c.elector.isLeader());
    const workers = candidates.filter((c) => c.isWorking && !c.clock.isFrozen);
    if (leaders.length > 0) ledSteps++;
    for (const [what, group] of Object.entries({ leaders, workers })) {
      if (group.length > 1) violations.push(`${step * stepMs} ms: ${what} ${group.map((c) => c.name).join(', ')}`);
    }
  }
  stop.abort();
  for (const c of candidates) c.clock.thaw();
  await time.advance(60_000);
  await Promise.all(running);
  return { violations, terms, ledShare: ledSteps / steps };
}

/** A clock that drifts, and holds back its timers while the process is frozen. */
class ProcessClock implements Clock {
  #time: FakeClock;
  #rate: number;
  #frozenUntil = 0;
  #held: (() => void)[] = [];

  constructor(time: FakeClock, rate: number) {
    this.#time = time;
    this.#rate = rate;
  }

  now(): number {
    return this.#time.now();
  }

  monotonic(): number {
    return this.#time.monotonic() * this.#rate;
  }

  setTimer(delayMs: number, fn: () => void): Timer {
    let isCancelled = false;
    const fire = () => {
      if (isCancelled) return;
      if (this.isFrozen) this.#held.push(fire);
      else fn();
    };
    const timer = this.#time.setTimer(delayMs / this.#rate, fire);
    return {
      cancel() {
        isCancelled = true;
        timer.cancel();
      },
    };
  }

  soon(fn: () => void): Timer {
    return this.setTimer(0, fn);
  }

  get isFrozen(): boolean {
    return this.#time.monotonic() < this.#frozenUntil;
  }

  freeze(ms: number): void {
    if (this.isFrozen) return;
    this.#frozenUntil = this.#time.monotonic() + ms;
    this.#time.setTimer(ms, () => this.thaw());
  }

  thaw(): void {
    this.#frozenUntil = 0;
    for (const fire of this.#held.splice(0)) fire();
  }
}

/** Requests take time both ways and are lost both ways: lost on the way back, a write has happened all the same. */
function badNetwork(
  store: FakeClient,
  clock: Clock,
  random: () => number,
  { failures, delayMsMax }: SimulationOptions,
): ApiClient {
  const travel = async () => {
    await new Promise<void>((resolve) => clock.setTimer(random() * delayMsMax, resolve));
    if (random() < failures) throw new Error('connection lost');
  };
  return {
    resource(gvr: GroupVersionResource, namespace?: string) {
      const direct = store.resource(gvr, namespace);
      const slow = (method: 'get' | 'create' | 'update') => async (argument: any) => {
        await travel();
        const answer = await (direct[method] as (a: any) => Promise<any>)(argument);
        await travel();
        return answer;
      };
      const bad: Partial<ResourceClient> = {
        get: slow('get'),
        create: slow('create'),
        update: slow('update'),
        async *watch(params) {
          await travel();
          for await (const event of direct.watch(params)) {
            await travel();
            yield event;
          }
        },
      };
      return bad as ResourceClient<any>;
    },
    raw: (method, path) => store.raw(method, path),
    close() {},
  };
}

/** The planted bug: what is stored promises a shorter term than its holder takes. */
function shortenLeases(store: FakeClient): void {
  store.intercept = ({ object }) => {
    if (object?.spec?.holderIdentity) object.spec.leaseDurationSeconds = 1;
  };
}
