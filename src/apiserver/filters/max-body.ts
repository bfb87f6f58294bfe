import { apiErrors } from '#apimachinery/status-error.ts';
import type { Filter } from '../request.ts';

/** Bodies that say that they are too large. Those that do not say are cut while they are read. */
export function maxBody(maxBytes: number): Filter {
  return (request, next) => {
    const length = request.headers['content-length'];
    if (length !== undefined && Number(length) > maxBytes) {
      throw apiErrors.requestEntityTooLarge(`limit is ${maxBytes}`);
    }
    return next(request);
  };
}
