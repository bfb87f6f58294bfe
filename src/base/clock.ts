/**
 * Time as a dependency. Everything below `bin/` takes a Clock, so that tests and simulations run under
 * `FakeClock` (base/testing/fake-clock.ts). The real one is os/real-clock.ts.
 */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. For timestamps that people read; never for durations. */
  now(): number;
  /** Monotonic milliseconds. For expiry, back-off and measurement. */
  monotonic(): number;
  /** Calls `fn` once after `delayMs`. The handle cancels; who stops before then must cancel. */
  setTimer(delayMs: number, fn: () => void): Timer;
  /**
   * Calls `fn` once, soon: after this turn and whatever input is already there. For letting others have their turn, and
   * for gathering what arrives together.
   */
  soon(fn: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

/** Resolves in a later turn: see Clock.soon. */
export function nextTurn(clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    clock.soon(resolve);
  });
}

/** Resolves after `delayMs`, or at once when the signal aborts (it does not throw: check the signal). */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = clock.setTimer(delayMs, done);
    signal?.addEventListener('abort', done, { once: true });
  });
}
