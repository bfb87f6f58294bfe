import type { Clock } from '#base/clock.ts';
import { KvError } from './kv.ts';

/** A store that does not answer is given up after this, whatever the caller's own deadline. */
export const storeDeadlineMs = 10_000;

/** Runs a request to the store with a signal that aborts with the caller's, or after `boundMs`. */
export async function withDeadline<T>(
  clock: Clock,
  boundMs: number,
  signal: AbortSignal | undefined,
  request: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const abort = () => stop.abort();
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort, { once: true });
  const timer = clock.setTimer(boundMs, abort);
  try {
    return await untilAborted(request(stop.signal), stop.signal);
  } finally {
    timer.cancel();
    signal?.removeEventListener('abort', abort);
  }
}

/** Waits no longer than the signal allows; what was started goes on for whoever else waits for it. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const give = () => reject(new KvError('timeout', 'gave up waiting for the store', { maybeApplied: true }));
    signal.addEventListener('abort', give, { once: true });
    // Listened to in any case: what fails after it was given up must not be a rejection that nobody handles.
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', give));
    if (signal.aborted) give();
  });
}
