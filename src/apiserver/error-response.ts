import { apiErrors, type Status, StatusError } from '#apimachinery/status-error.ts';
import type { ApiResponse } from './request.ts';

/** What a client reads when something was thrown: a Status, and Retry-After where it should come again. */
export function errorResponse(error: unknown): ApiResponse {
  return statusResponse((error instanceof StatusError ? error : apiErrors.internal(error)).status);
}

export function statusResponse(status: Status): ApiResponse {
  const headers: Record<string, string | number> = { 'content-type': 'application/json' };
  const retryAfter = status.details?.retryAfterSeconds;
  if (retryAfter !== undefined && retryAfter > 0) headers['retry-after'] = String(retryAfter);
  return { status: status.code, headers, body: `${JSON.stringify(status)}\n` };
}

/** What is refused for who asks: upstream forbids guessing its type, as of nothing else. */
export function refusedResponse(error: StatusError): ApiResponse {
  const response = statusResponse(error.status);
  return { ...response, headers: { ...response.headers, 'x-content-type-options': 'nosniff' } };
}

/** The path names no resource, version or subresource we know. */
export function resourceNotFound(): StatusError {
  return new StatusError({
    code: 404,
    reason: 'NotFound',
    message: 'the server could not find the requested resource',
    details: {},
  });
}

/** The path is right, the verb is not. */
export function methodNotAllowed(): StatusError {
  return new StatusError({
    code: 405,
    reason: 'MethodNotAllowed',
    message: 'the server does not allow this method on the requested resource',
    details: {},
  });
}

/** No such path at all: plain text, as Go's http.NotFound writes it. */
export function pageNotFound(): ApiResponse {
  return {
    status: 404,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
    body: '404 page not found\n',
  };
}
