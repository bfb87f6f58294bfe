/** How far a long copy is: one line on a terminal, redrawn; nothing in a pipe. Lets signals in between. */
import { type Clock, nextTurn } from '#base/clock.ts';
import { OperatorError } from '#base/errors.ts';
import { humanBytes } from './human-bytes.ts';

const yieldEveryBytes = 1024 * 1024;
/** Small entries cost more than their bytes. */
const yieldEveryEntries = 2000;
const redrawMs = 200;

export interface Progress {
  /** To be called for each piece, and its promise to be waited for; rejects once the signal aborts. */
  pace(bytes: number): Promise<void> | undefined;
  /** Takes the line away. */
  end(): void;
}

export function progressOn(
  stream: { isTTY?: boolean; write(text: string): unknown },
  what: string,
  clock: Clock,
  signal: AbortSignal,
): Progress {
  const begun = clock.monotonic();
  let [drawn, total, bytesSince, entriesSince] = [begun, 0, 0, 0];
  let isDrawn = false;
  const draw = (now: number) => {
    if (!stream.isTTY || now - drawn < redrawMs) return;
    drawn = now;
    isDrawn = true;
    stream.write(`\r\u001b[K  ${what}  ${humanBytes(total)}  ${humanBytes((total / (now - begun)) * 1000)}/s`);
  };
  return {
    pace(bytes) {
      bytesSince += bytes;
      if (++entriesSince < yieldEveryEntries && bytesSince < yieldEveryBytes) return undefined;
      total += bytesSince;
      [bytesSince, entriesSince] = [0, 0];
      draw(clock.monotonic());
      return nextTurn(clock).then(() => {
        if (signal.aborted) throw new OperatorError('interrupted: nothing was changed');
      });
    },
    end() {
      if (isDrawn) stream.write('\r\u001b[K');
    },
  };
}
