/** What every process of ours does at its edges: signals, one-line errors, exit status. */
import { UsageError } from '#base/flags.ts';

/** An operating error the user can mend: printed as one line that names the thing and the remedy; exit status 1. */
export { OperatorError } from '#base/errors.ts';

/**
 * Runs `body` until it ends or SIGTERM/SIGINT asks it to (a second signal ends the process at once).
 * Exit status: 0 done, 1 failed, 2 wrong use.
 */
export async function runProcess(name: string, body: (signal: AbortSignal) => Promise<void>): Promise<never> {
  const stop = new AbortController();
  let isStopping = false;
  const onSignal = () => {
    if (isStopping) process.exit(130);
    isStopping = true;
    stop.abort();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  try {
    await body(stop.signal);
    process.exit(0);
  } catch (error) {
    process.stderr.write(`${name}: ${oneLine(error)}\n`);
    process.exit(error instanceof UsageError ? 2 : 1);
  }
}

/** Expected errors in one line; a bug of ours with its stack, because then the reader is us. */
function oneLine(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof UsageError || error.name === 'OperatorError') return error.message;
  return error.stack ?? error.message;
}
