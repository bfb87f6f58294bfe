import { apiErrors } from '#apimachinery/status-error.ts';
import type { RequestMetrics } from '../metrics.ts';
import type { Filter } from '../request.ts';
import { isLongRunning } from '../request-info.ts';

const privileged = 'system:masters';
const retryAfterSeconds = 1;

/**
 * Two counters, one for reads and one for writes, so that neither starves the other. Over the limit: 429 at once, nothing is
 * queued. system:masters always passes: whoever must repair the cluster can.
 */
export function maxInFlight(
  limits: { maxRequestsInflight: number; maxMutatingRequestsInflight: number },
  metrics: RequestMetrics,
): Filter {
  const counters = {
    readOnly: { current: 0, max: limits.maxRequestsInflight },
    mutating: { current: 0, max: limits.maxMutatingRequestsInflight },
  };
  metrics.inFlight = counters;
  return async (request, next) => {
    if (isLongRunning(request.info)) return next(request);
    const counter = isReadOnly(request.info.verb) ? counters.readOnly : counters.mutating;
    if (counter.max > 0 && counter.current >= counter.max && !request.user!.groups.includes(privileged)) {
      throw apiErrors.tooManyRequests('too many requests, please try again later', retryAfterSeconds);
    }
    counter.current++;
    try {
      return await next(request);
    } finally {
      counter.current--;
    }
  };
}

function isReadOnly(verb: string): boolean {
  return verb === 'get' || verb === 'list' || verb === 'watch' || verb === 'head' || verb === 'options';
}
