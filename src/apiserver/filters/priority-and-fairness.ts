import { apiErrors } from '#apimachinery/status-error.ts';
import type { Clock } from '#base/clock.ts';
import { type Rejection, Ticket } from '../flowcontrol/fair-queuing.ts';
import type { Classification, FlowControl } from '../flowcontrol/flow-control.ts';
import { distinguisherOf } from '../flowcontrol/flow-schema.ts';
import { hashFlow } from '../flowcontrol/shuffle-sharding.ts';
import type { WorkEstimator } from '../flowcontrol/work-estimate.ts';
import type { ApiRequest, ApiResponse, Filter, Handler } from '../request.ts';
import { isLongRunning } from '../request-info.ts';

const retryAfterSeconds = 1;

export interface PriorityAndFairnessOptions {
  flowControl: FlowControl;
  estimator: WorkEstimator;
  /** The longest a request waits for its seats. */
  waitMsMax: number;
  clock: Clock;
}

/**
 * Gives each request its seats, at once or after its turn in a queue; 429 when the queue is full, the wait too long, or
 * its level has no queues. A watch has its seats until it has been brought to the present; other streams need none.
 */
export function priorityAndFairness(options: PriorityAndFairnessOptions): Filter {
  const { flowControl, estimator, waitMsMax, clock } = options;

  const execute = async (flow: Flow, request: ApiRequest, next: Handler): Promise<ApiResponse> => {
    const isWatch = request.info.verb === 'watch';
    if (isWatch) request.onWatchLive = () => flow.finish();
    try {
      const response = await next(request);
      // The watch itself begins when its answer is streamed; a refused one is over.
      if (!response.stream) flow.finish();
      return response;
    } catch (error) {
      flow.finish();
      throw error;
    } finally {
      if (!isWatch) flow.finish();
    }
  };

  return (request, next) => {
    const isWatch = request.info.verb === 'watch';
    if (!isWatch && isLongRunning(request.info)) return next(request);
    const { schema, level, stats } = flowControl.classify(request);
    request.flow = { schemaUid: schema.uid, levelUid: level.uid };
    const work = estimator.estimate(request, level.limits.nominal);
    const distinguisher = distinguisherOf(schema, request);
    const ticket = new Ticket(distinguisher, work, clock.monotonic());
    const flow = new Flow({ schema, level, stats }, ticket, clock, isWatch);
    stats.seats.observe(ticket.seatsMax);
    const outcome = level.isExempt
      ? level.queues.enter(ticket)
      : level.queues.admit(ticket, hashFlow(schema.name, distinguisher));
    if (outcome === undefined) {
      flow.dispatched();
      return execute(flow, request, next);
    }
    if (outcome !== 'queued') throw flow.rejected(outcome);
    return flow.wait(request.signal, waitMsMax).then(() => execute(flow, request, next));
  };
}

/** One request's way through its level, and what is counted of it. */
class Flow {
  readonly #class: Classification;
  readonly #ticket: Ticket;
  readonly #clock: Clock;
  readonly #isWatch: boolean;
  #isOver = false;

  constructor(of: Classification, ticket: Ticket, clock: Clock, isWatch: boolean) {
    this.#class = of;
    this.#ticket = ticket;
    this.#clock = clock;
    this.#isWatch = isWatch;
  }

  dispatched(): void {
    const { stats } = this.#class;
    stats.dispatched++;
    stats.executing++;
    stats.executingSeats += this.#ticket.seatsMax;
    stats.waited.observe(this.#seconds(this.#ticket.arrivedAt));
  }

  rejected(why: Rejection): Error {
    const { stats } = this.#class;
    stats.rejected.set(why, (stats.rejected.get(why) ?? 0) + 1);
    stats.waitedInVain.observe(this.#seconds(this.#ticket.arrivedAt));
    return apiErrors.tooManyRequests('too many requests, please try again later', retryAfterSeconds);
  }

  wait(signal: AbortSignal, waitMsMax: number): Promise<void> {
    const ticket = this.#ticket;
    const { stats, level } = this.#class;
    stats.waiting++;
    stats.waitingSeats += ticket.seatsMax;
    stats.queueLength.observe(ticket.queue!.waiting.length);
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimer(waitMsMax, () => level.queues.withdraw(ticket, 'time-out'));
      const onAbort = () => level.queues.withdraw(ticket, 'cancelled');
      signal.addEventListener('abort', onAbort, { once: true });
      ticket.settle = (rejection) => {
        timer.cancel();
        signal.removeEventListener('abort', onAbort);
        stats.waiting--;
        stats.waitingSeats -= ticket.seatsMax;
        if (rejection) return reject(this.rejected(rejection));
        this.dispatched();
        resolve();
      };
      if (signal.aborted) onAbort();
    });
  }

  /** Idempotent: the seats go back. */
  finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { stats, level } = this.#class;
    const ticket = this.#ticket;
    stats.executing--;
    stats.executingSeats -= ticket.seatsMax;
    (this.#isWatch ? stats.executedWatches : stats.executed).observe(this.#seconds(ticket.startedAt));
    level.queues.finish(ticket);
  }

  #seconds(since: number): number {
    return (this.#clock.monotonic() - since) / 1000;
  }
}
