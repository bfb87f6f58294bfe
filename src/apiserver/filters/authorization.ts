import type { StatusError } from '#apimachinery/status-error.ts';
import { attributesOf, authorize } from '../access.ts';
import { refusedResponse } from '../error-response.ts';
import type { ApiRequest, Authorizer, Filter, Handler } from '../request.ts';

export function authorization(authorizers: readonly Authorizer[]): Filter {
  const proceed = (request: ApiRequest, refused: StatusError | undefined, next: Handler) => {
    return refused ? Promise.resolve(refusedResponse(refused)) : next(request);
  };
  return (request, next) => {
    const refused = authorize(authorizers, attributesOf(request), request.audit);
    return refused instanceof Promise
      ? refused.then((error) => proceed(request, error, next))
      : proceed(request, refused, next);
  };
}
