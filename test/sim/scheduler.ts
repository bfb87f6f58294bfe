/**
 * The one place where things happen. Everything that may happen next stands in a lane: a process's timers, its next
 * turns, one direction of a connection, the completions of a disk. Within a lane order is kept; which lane goes next
 * is chance, by the seed. Time moves only when nothing is left to do at the present.
 *
 * After each step promise reactions run until there are none, as after each callback of Node: a step is a turn of the
 * event loop, and the next one begins in a turn of its own.
 */
import { Random } from './random.ts';
import { Trace } from './trace.ts';

/** Who owns lanes: a process, which may be paused (its lanes wait) or dead (its lanes never go on). */
export interface Owner {
  readonly name: string;
  isPaused: boolean;
  isDead: boolean;
  /** Lanes that would be ready, were the owner not paused. */
  readonly stalled: Lane[];
}

export interface Lane {
  readonly id: number;
  readonly name: string;
  readonly owner: Owner;
  /** What is due, in order. */
  readonly due: Scheduled[];
  isReady: boolean;
}

export interface Scheduled {
  readonly at: number;
  readonly seq: number;
  readonly lane: Lane;
  readonly fn: () => void;
  isCancelled: boolean;
}

/** No history of a few hundred operations needs as many. */
const stepsMax = 60_000;
/** Turns asked of the event loop at a time. */
const turnsPerBatch = 256;
const realSetImmediate = setImmediate;

export class Scheduler {
  /** Virtual milliseconds since the start. */
  now = 0;
  steps = 0;
  readonly trace: Trace;
  /** Told of what a step threw: in a real process that ends it. */
  onError: (error: unknown, owner: Owner) => void = (error) => {
    throw error;
  };
  readonly #random: Random;
  readonly #heap: Scheduled[] = [];
  readonly #ready: Lane[] = [];
  #seq = 0;
  #lanes = 0;
  #ticks = 0;

  constructor(seed: number, trace = new Trace()) {
    this.#random = new Random(seed, 'schedule');
    this.trace = trace;
  }

  lane(name: string, owner: Owner): Lane {
    return { id: ++this.#lanes, name, owner, due: [], isReady: false };
  }

  /** A number for each thing that is recorded: later is greater. */
  tick(): number {
    return ++this.#ticks;
  }

  /** In one lane, never earlier than what is there already. */
  after(delayMs: number, lane: Lane, fn: () => void): Scheduled {
    const item = { at: this.now + Math.max(0, delayMs), seq: this.#seq++, lane, fn, isCancelled: false };
    if (delayMs > 0) this.#push(item);
    else {
      // What fell due before it goes first: the time may have moved within this step.
      this.#moveDue();
      this.#arrive(item);
    }
    return item;
  }

  /** The owner goes on: what fell due meanwhile may happen now. */
  resume(owner: Owner): void {
    for (const lane of owner.stalled.splice(0)) this.#ready.push(lane);
  }

  /** Runs until `isDone`, or until nothing is left that could happen. */
  run(isDone: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      let isOver = false;
      let turns = 0;
      const turn = () => {
        turns--;
        if (isOver) return;
        try {
          if (isDone() || !this.#step()) {
            isOver = true;
            resolve();
            return;
          }
        } catch (error) {
          isOver = true;
          reject(error);
          return;
        }
        if (turns === 0) ask();
      };
      const ask = () => {
        for (; turns < turnsPerBatch; turns++) realSetImmediate(turn);
      };
      ask();
    });
  }

  #step(): boolean {
    for (;;) {
      this.#moveDue();
      while (this.#ready.length === 0) {
        const next = this.#heap[0];
        if (!next) return false;
        if (next.isCancelled || next.lane.owner.isDead) {
          this.#pop();
          continue;
        }
        this.now = next.at;
        this.#moveDue();
      }
      const item = this.#take();
      if (!item) continue;
      if (++this.steps > stepsMax) throw new Error(`no end after ${stepsMax} steps, at ${this.now} ms`);
      this.trace.step(item.lane.id, this.now);
      try {
        item.fn();
      } catch (error) {
        this.onError(error, item.lane.owner);
      }
      return true;
    }
  }

  #take(): Scheduled | undefined {
    const index = this.#ready.length === 1 ? 0 : this.#random.below(this.#ready.length);
    const lane = this.#ready[index]!;
    const { owner } = lane;
    const item = owner.isPaused ? undefined : lane.due.shift();
    if (item === undefined || lane.due.length === 0 || owner.isDead) {
      const last = this.#ready.pop()!;
      if (last !== lane) this.#ready[index] = last;
      if (owner.isPaused && !owner.isDead) owner.stalled.push(lane);
      else lane.isReady = false;
    }
    return item === undefined || item.isCancelled || owner.isDead ? undefined : item;
  }

  #moveDue(): void {
    while (this.#heap.length > 0 && this.#heap[0]!.at <= this.now) this.#arrive(this.#pop());
  }

  #arrive(item: Scheduled): void {
    const { lane } = item;
    if (item.isCancelled || lane.owner.isDead) return;
    lane.due.push(item);
    if (lane.isReady) return;
    lane.isReady = true;
    if (lane.owner.isPaused) lane.owner.stalled.push(lane);
    else this.#ready.push(lane);
  }

  #push(item: Scheduled): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(item);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!isBefore(item, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = item;
  }

  #pop(): Scheduled {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return first;
  }
}

function isBefore(a: Scheduled, b: Scheduled): boolean {
  return a.at < b.at || (a.at === b.at && a.seq < b.seq);
}
