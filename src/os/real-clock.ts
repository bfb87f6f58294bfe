import type { Clock } from '#base/clock.ts';

/** The machine's clock. A pending timer keeps the process alive: whoever sets one cancels it when it stops. */
export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(delayMs, fn) {
    const handle = setTimeout(fn, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
};
