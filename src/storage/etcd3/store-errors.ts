import { apiErrors, type StatusError } from '#apimachinery/status-error.ts';
import { KvError } from './kv.ts';

/** What a client is told when the store did not do as asked; the log finds the store's own words in `cause`. */
export function toStatusError(error: unknown): unknown {
  if (!(error instanceof KvError)) return error;
  const status = statusOf(error);
  status.cause = error;
  return status;
}

function statusOf(error: KvError): StatusError {
  switch (error.kind) {
    case 'unavailable':
      return apiErrors.serviceUnavailable('the store is not available', 1);
    case 'timeout':
    case 'cancelled':
      return apiErrors.timeout('request did not complete within the allotted timeout', 1);
    case 'compacted':
      return apiErrors.expired('The resourceVersion for the provided list is too old.');
    case 'tooLarge':
      return apiErrors.requestEntityTooLarge(error.message);
    case 'noSpace':
      return apiErrors.insufficientStorage(
        `the store is full (${error.message}): nothing can be written until room is made, see /readyz?verbose`,
      );
    default:
      return apiErrors.internal(error);
  }
}

/** "Too large resource version": the cache has not seen this revision, and did not within the time given to it. */
export function tooLargeResourceVersion(requested: number, current: number): StatusError {
  const error = apiErrors.timeout(`Too large resource version: ${requested}, current: ${current}`, 1);
  error.status.details = {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  };
  return error;
}

/** Of a watch: the history this server keeps begins after `oldest`. */
export function tooOldResourceVersion(requested: number, oldest: number): StatusError {
  return apiErrors.expired(`too old resource version: ${requested} (${oldest})`);
}
