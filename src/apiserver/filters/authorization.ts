import { attributesOf, authorize } from '../access.ts';
import type { Authorizer, Filter } from '../request.ts';

export function authorization(authorizers: readonly Authorizer[]): Filter {
  return async (request, next) => {
    const refused = authorize(authorizers, attributesOf(request));
    const error = refused instanceof Promise ? await refused : refused;
    if (error) throw error;
    return next(request);
  };
}
