import { apiErrors } from '#apimachinery/status-error.ts';
import { Bag, type BagItem } from '#base/bag.ts';
import type { Clock, Timer } from '#base/clock.ts';
import { parseDuration } from '#base/flags.ts';
import type { ApiRequest, ApiResponse, Filter } from '../request.ts';
import { isLongRunning } from '../request-info.ts';
import type { ServerRequest } from '../transport/server-request.ts';

/** How late a deadline may be noticed. One timer looks at all requests: a timer for each would cost more than a GET. */
const sweepMs = 500;

interface Pending extends BagItem {
  deadline: number;
  request: ApiRequest;
  reject(error: unknown): void;
}

/** Answers 504 for what takes too long, and tells the rest of the chain to give up by the request's signal. */
export function deadline(timeoutMs: number, clock: Clock): Filter {
  const pending = new Bag<Pending>();
  let timer: Timer | undefined;

  const sweep = () => {
    timer = undefined;
    const now = clock.monotonic();
    for (const entry of pending.snapshot()) {
      if (entry.deadline > now) continue;
      pending.delete(entry);
      const error = apiErrors.timeout('request did not complete within the allotted timeout', 0);
      entry.reject(error);
      (entry.request as ServerRequest).abort(error);
    }
    if (pending.size > 0) timer = clock.setTimer(sweepMs, sweep);
  };

  return (request, next) => {
    if (isLongRunning(request.info)) return next(request);
    const requested = request.url.search === '' ? undefined : request.url.searchParams.get('timeout');
    const ms = requested ? parseDuration(requested) : undefined;
    if (requested && (ms === undefined || ms < 0)) {
      throw apiErrors.badRequest(
        `invalid timeout specified in the request URL - time: invalid duration "${requested}"`,
      );
    }
    return new Promise<ApiResponse>((resolve, reject) => {
      const entry = {
        deadline: clock.monotonic() + Math.min(ms || timeoutMs, timeoutMs),
        request,
        reject,
        bagIndex: -1,
      };
      // Before it is pending: what refuses at once, by throwing, has no deadline.
      const answer = next(request);
      pending.add(entry);
      if (timer === undefined) timer = clock.setTimer(sweepMs, sweep);
      answer.then(
        (response) => {
          pending.delete(entry);
          resolve(response);
        },
        (error: unknown) => {
          pending.delete(entry);
          reject(error);
        },
      );
    });
  };
}
