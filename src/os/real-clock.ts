import type { Clock } from '#base/clock.ts';

/** The machine's clock. A pending timer keeps the process alive: whoever sets one cancels it when it stops. */
export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(delayMs, fn) {
    const handle = setTimeout(fn, Math.min(delayMs, longestMs));
    return { cancel: () => clearTimeout(handle) };
  },
  soon(fn) {
    const handle = setImmediate(fn);
    return { cancel: () => clearImmediate(handle) };
  },
};

/** What Node can hold, 24 days; more would be taken for 1 ms. */
const longestMs = 2 ** 31 - 1;
