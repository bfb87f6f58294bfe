/** How long to wait before a container that ended is started again. All in milliseconds. */
export interface BackOffPolicy {
  /** Before the first restart; each further one waits twice as long. */
  initialMs: number;
  maxMs: number;
  /** A run at least this long starts over from `initialMs`. */
  resetAfterMs: number;
}

/**
 * Upstream begins at 10 s. The containers here are the control plane itself: every second that an API server waits is
 * a second with one replica less, and the likeliest cause of an exit, a lost peer that is coming back, is over soon.
 * What crashes for good still ends at one start in 5 minutes.
 */
export const defaultBackOff: BackOffPolicy = { initialMs: 250, maxMs: 300_000, resetAfterMs: 600_000 };

/** The wait after a run of `ranMs`, when the wait before it was `previousMs` (0: none yet). */
export function nextBackOff(policy: BackOffPolicy, previousMs: number, ranMs: number): number {
  if (previousMs === 0 || ranMs >= policy.resetAfterMs) return policy.initialMs;
  return Math.min(policy.maxMs, previousMs * 2);
}
