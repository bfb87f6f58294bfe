/**
 * One priority level's queues. A request takes seats while it runs; when there are too few, it waits in one of the queues
 * its flow was dealt, and the queues take turns fairly by virtual time: each active queue would be served its equal share
 * of the level's seats, and the next request dispatched is the one that would have finished first in that ideal world.
 *
 * `R` is the progress of the ideal server: seat-seconds that each active queue has been given so far. A queue's
 * `nextDispatchR` is the R at which its next request would start. At dispatch it moves on by the request's *estimated* work,
 * because how long it will take is not known yet; at the end it is corrected by what it really took.
 *
 * Owns the seats of its level; synchronous, no timers but for seats that are held after the answer. Everything waiting
 * is bounded: queues × queueLengthLimit. Source of the method: KEP-1040.
 */
import type { Clock } from '#base/clock.ts';
import { SeatDemand } from './seat-demand.ts';
import { dealHand } from './shuffle-sharding.ts';

export interface Queuing {
  queues: number;
  handSize: number;
  queueLengthLimit: number;
}

/** Seats while it runs, and more that are held for a while after the answer (watchers are still being told). */
export interface WorkEstimate {
  initialSeats: number;
  finalSeats: number;
  finalMs: number;
}

export type Rejection = 'queue-full' | 'concurrency-limit' | 'time-out' | 'cancelled';

/** What a request is assumed to take when it is dispatched. */
export const estimatedServiceSeconds = 0.003;

/** One request's place: waiting, then executing, then gone. */
export class Ticket {
  readonly work: WorkEstimate;
  readonly flow: string;
  readonly arrivedAt: number;
  startedAt = 0;
  arrivalR = 0;
  state: 'new' | 'waiting' | 'executing' | 'holding' | 'gone' = 'new';
  queue: Queue | undefined = undefined;
  /** Called once, in the turn in which it is dispatched or thrown out. */
  settle: ((rejection: Rejection | undefined) => void) | undefined = undefined;

  constructor(flow: string, work: WorkEstimate, arrivedAt: number) {
    this.flow = flow;
    this.work = work;
    this.arrivedAt = arrivedAt;
  }

  get seatsMax(): number {
    return Math.max(this.work.initialSeats, this.work.finalSeats);
  }

  /** Seat-seconds it is assumed to need. */
  get estimatedWork(): number {
    return this.work.initialSeats * estimatedServiceSeconds + (this.work.finalSeats * this.work.finalMs) / 1000;
  }
}

export interface Queue {
  readonly index: number;
  waiting: Ticket[];
  waitingWork: number;
  waitingSeats: number;
  executing: number;
  seatsInUse: number;
  nextDispatchR: number;
}

export class FairQueues {
  readonly demand: SeatDemand;
  readonly #clock: Clock;
  #queuing: Queuing | undefined;
  /** Requests may use so many seats together. */
  #limit: number;
  /** Those that somebody waits or executes in: a level may be given millions of queues, and most are empty. */
  readonly #queues = new Map<number, Queue>();
  #seatsInUse = 0;
  #seatsWaiting = 0;
  #executing = 0;
  #waiting = 0;
  #currentR = 0;
  #lastAt: number;
  #robin = 0;
  readonly #hand: number[] = [];

  constructor(clock: Clock, queuing: Queuing | undefined, limit: number) {
    this.#clock = clock;
    this.#limit = limit;
    this.#lastAt = clock.monotonic();
    this.demand = new SeatDemand(clock);
    this.configure(queuing);
  }

  get seatsInUse(): number {
    return this.#seatsInUse;
  }

  get seatsWaiting(): number {
    return this.#seatsWaiting;
  }

  get executing(): number {
    return this.#executing;
  }

  get waiting(): number {
    return this.#waiting;
  }

  get limit(): number {
    return this.#limit;
  }

  get currentR(): number {
    return this.#currentR;
  }

  get isIdle(): boolean {
    return this.#executing === 0 && this.#waiting === 0 && this.#seatsInUse === 0;
  }

  /** For people who debug: a line a queue. */
  queues(): readonly Readonly<Queue>[] {
    return [...this.#queues.values()].sort((a, b) => a.index - b.index);
  }

  setLimit(limit: number): void {
    this.#advance();
    this.#limit = limit;
    this.#dispatchAll();
  }

  /** Undefined: nothing waits, what finds no seat is refused. Requests keep the queue they stand in. */
  configure(queuing: Queuing | undefined): void {
    this.#queuing = queuing;
  }

  /**
   * Seats at once: undefined, and the ticket is executing. Else why not, or `'queued'`: then `ticket.settle` will be
   * called. `hash` is the flow's.
   */
  admit(ticket: Ticket, hash: number): Rejection | 'queued' | undefined {
    this.#advance();
    if (this.#queuing === undefined) {
      if (!this.#fits(ticket)) return 'concurrency-limit';
      this.#start(ticket, undefined);
      return undefined;
    }
    const queue = this.#chooseQueue(hash, this.#queuing);
    if (queue.waiting.length >= this.#queuing.queueLengthLimit) return 'queue-full';
    this.#queues.set(queue.index, queue);
    ticket.arrivalR = this.#currentR;
    ticket.queue = queue;
    if (this.#waiting === 0 && this.#fits(ticket)) {
      queue.nextDispatchR += ticket.estimatedWork;
      this.#start(ticket, queue);
      return undefined;
    }
    ticket.state = 'waiting';
    queue.waiting.push(ticket);
    queue.waitingWork += ticket.estimatedWork;
    queue.waitingSeats += ticket.seatsMax;
    this.#waiting++;
    this.#seatsWaiting += ticket.seatsMax;
    this.#measure();
    this.#dispatchAll();
    return (ticket.state as Ticket['state']) === 'waiting' ? 'queued' : undefined;
  }

  /** Past all limits, for exempt levels: counted, never refused. */
  enter(ticket: Ticket): undefined {
    this.#advance();
    this.#start(ticket, undefined);
  }

  /** A waiting request gives up. No effect on others. */
  withdraw(ticket: Ticket, why: 'time-out' | 'cancelled'): void {
    if (ticket.state !== 'waiting') return;
    this.#advance();
    const queue = ticket.queue!;
    queue.waiting.splice(queue.waiting.indexOf(ticket), 1);
    this.#leaveQueue(ticket, queue);
    ticket.state = 'gone';
    this.#forgetIfIdle(queue);
    this.#measure();
    this.#settle(ticket, why);
    // It may have been at the head, and too wide for what is free; those behind it may not be.
    this.#dispatchAll();
  }

  /** The answer is made. Final seats are held on. */
  finish(ticket: Ticket): void {
    if (ticket.state !== 'executing') return;
    this.#advance();
    const { initialSeats, finalSeats, finalMs } = ticket.work;
    const { queue } = ticket;
    if (queue) {
      const tookSeconds = (this.#clock.monotonic() - ticket.startedAt) / 1000;
      queue.nextDispatchR += initialSeats * (tookSeconds - estimatedServiceSeconds);
    }
    this.#executing--;
    if (finalSeats > 0 && finalMs > 0) {
      this.#occupy(queue, finalSeats - ticket.seatsMax);
      ticket.state = 'holding';
      this.#clock.setTimer(finalMs, () => this.#release(ticket, finalSeats));
    } else {
      this.#release(ticket, ticket.seatsMax);
      return;
    }
    this.#measure();
    this.#dispatchAll();
  }

  #release(ticket: Ticket, seats: number): void {
    this.#advance();
    const { queue } = ticket;
    ticket.state = 'gone';
    this.#occupy(queue, -seats);
    if (queue) {
      queue.executing--;
      this.#forgetIfIdle(queue);
    }
    this.#measure();
    this.#dispatchAll();
  }

  /** R moves at the rate of the seats in demand, as far as there are any, divided among the active queues. */
  #advance(): void {
    const now = this.#clock.monotonic();
    const seconds = (now - this.#lastAt) / 1000;
    this.#lastAt = now;
    if (this.#queues.size === 0 || seconds <= 0) return;
    const seats = Math.min(this.#seatsInUse + this.#seatsWaiting, this.#limit);
    this.#currentR += (seconds * seats) / this.#queues.size;
  }

  /** A request wider than the whole level runs when it is alone: else it never would. */
  #fits(ticket: Ticket): boolean {
    const seats = ticket.seatsMax;
    if (seats > this.#limit) return this.#seatsInUse === 0;
    return this.#seatsInUse + seats <= this.#limit;
  }

  /** Of the flow's hand, the queue with the least work before it. */
  #chooseQueue(hash: number, { queues, handSize }: Queuing): Queue {
    dealHand(hash, queues, handSize, this.#hand);
    let best: Queue | undefined;
    let bestWork = Number.POSITIVE_INFINITY;
    for (const index of this.#hand) {
      const queue = this.#queues.get(index);
      if (!queue) return newQueue(index, this.#currentR);
      const work = workOf(queue);
      if (work >= bestWork) continue;
      best = queue;
      bestWork = work;
    }
    return best!;
  }

  #dispatchAll(): void {
    while (this.#waiting > 0) {
      const queue = this.#nextQueue();
      const ticket = queue.waiting[0]!;
      // Nobody behind it may slip past: a wide request would wait for ever.
      if (!this.#fits(ticket)) return;
      queue.waiting.shift();
      this.#leaveQueue(ticket, queue);
      queue.nextDispatchR += ticket.estimatedWork;
      this.#robin = queue.index;
      this.#start(ticket, queue);
      this.#settle(ticket, undefined);
    }
  }

  /** The queue whose head would finish first; among equals the one whose turn is longest ago. */
  #nextQueue(): Queue {
    let best: Queue | undefined;
    let bestFinish = Number.POSITIVE_INFINITY;
    for (const queue of this.#queues.values()) {
      if (queue.waiting.length === 0) continue;
      const finish = queue.nextDispatchR + queue.waiting[0]!.estimatedWork;
      if (finish > bestFinish || (finish === bestFinish && !this.#comesBefore(queue, best!))) continue;
      best = queue;
      bestFinish = finish;
    }
    return best!;
  }

  /** Counting from the queue that was served last, round and round. */
  #comesBefore(a: Queue, b: Queue): boolean {
    const isPast = a.index > this.#robin;
    return isPast === b.index > this.#robin ? a.index < b.index : isPast;
  }

  #start(ticket: Ticket, queue: Queue | undefined): void {
    ticket.state = 'executing';
    ticket.startedAt = this.#clock.monotonic();
    this.#executing++;
    if (queue) queue.executing++;
    this.#occupy(queue, ticket.seatsMax);
    this.#measure();
  }

  #occupy(queue: Queue | undefined, seats: number): void {
    this.#seatsInUse += seats;
    if (queue) queue.seatsInUse += seats;
  }

  #leaveQueue(ticket: Ticket, queue: Queue): void {
    queue.waitingWork -= ticket.estimatedWork;
    queue.waitingSeats -= ticket.seatsMax;
    this.#waiting--;
    this.#seatsWaiting -= ticket.seatsMax;
    if (queue.waiting.length === 0) queue.waitingWork = 0;
  }

  #settle(ticket: Ticket, rejection: Rejection | undefined): void {
    const { settle } = ticket;
    ticket.settle = undefined;
    settle?.(rejection);
  }

  #measure(): void {
    this.demand.set(this.#seatsInUse + this.#seatsWaiting);
  }

  /** A queue in which nobody is begins anew, at the R of the next who comes. */
  #forgetIfIdle(queue: Queue): void {
    if (queue.executing === 0 && queue.waiting.length === 0) this.#queues.delete(queue.index);
  }
}

function newQueue(index: number, currentR: number): Queue {
  return {
    index,
    waiting: [],
    waitingWork: 0,
    waitingSeats: 0,
    executing: 0,
    seatsInUse: 0,
    nextDispatchR: currentR,
  };
}

/** Seat-seconds before a newcomer: what waits, and what runs by the same estimate. */
function workOf(queue: Queue): number {
  return queue.waitingWork + queue.seatsInUse * estimatedServiceSeconds;
}
