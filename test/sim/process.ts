import type { Clock, Timer } from '#base/clock.ts';
import type { Random } from './random.ts';
import type { Lane, Owner, Scheduler } from './scheduler.ts';

const epochMs = Date.UTC(2026, 0, 1);
/** Chance that a look at the clock finds that the process was held up (garbage collection, a busy core). */
const hiccupChance = 1 / 400;
const hiccupMsMax = 25;

/**
 * One life of one simulated process: killed, it never runs again; its successor is another SimProcess. Everything in it
 * gets its time from `clock`, and so stops with it.
 */
export class SimProcess implements Owner {
  readonly name: string;
  readonly clock: Clock;
  readonly stalled: Lane[] = [];
  isPaused = false;
  isDead = false;
  /** Timers set and not yet fired or cancelled. */
  timers = 0;
  readonly #scheduler: Scheduler;

  constructor(name: string, scheduler: Scheduler, random: Random) {
    this.name = name;
    this.#scheduler = scheduler;
    const timers = scheduler.lane('timer', this);
    const turns = scheduler.lane('turn', this);
    const cancellable = (delayMs: number, lane: Lane, fn: () => void): Timer => {
      let isPending = true;
      this.timers++;
      const settle = () => {
        if (!isPending) return;
        isPending = false;
        this.timers--;
      };
      const item = scheduler.after(delayMs, lane, () => {
        settle();
        fn();
      });
      return {
        cancel() {
          item.isCancelled = true;
          settle();
        },
      };
    };
    this.clock = {
      now: () => epochMs + scheduler.now,
      monotonic() {
        if (random.chance(hiccupChance)) scheduler.now += random.between(1, hiccupMsMax);
        return scheduler.now;
      },
      // Never in the turn that set it, and never early: Node rounds up.
      setTimer: (delayMs, fn) => cancellable(Math.max(1, Math.ceil(delayMs)), timers, fn),
      soon: (fn) => cancellable(0, turns, fn),
    };
  }

  /** Of what comes to this process from one source. */
  lane(name: string): Lane {
    return this.#scheduler.lane(name, this);
  }

  kill(): void {
    this.isDead = true;
    this.isPaused = false;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    this.#scheduler.resume(this);
  }
}
