import { StatusError } from '#apimachinery/status-error.ts';
import type { Logger } from '#base/log.ts';
import { errorResponse } from '../error-response.ts';
import type { Filter } from '../request.ts';

/** Whatever is thrown below becomes an answer; only what was not meant for the client is logged. */
export function panicRecovery(log: Logger): Filter {
  return async (request, next) => {
    try {
      return await next(request);
    } catch (error) {
      if (!(error instanceof StatusError) && !(request.signal.aborted && error === request.signal.reason)) {
        const stack = error instanceof Error ? error.stack : String(error);
        log.error({ method: request.method, path: request.url.pathname, auditId: request.auditId, stack }, 'panic');
      }
      return errorResponse(error);
    }
  };
}
