/** What every process of ours does at its edges: signals, one-line errors, exit status. */
import { UsageError } from '#base/flags.ts';

/** An operating error the user can mend: printed as one line that names the thing and the remedy; exit status 1. */
export { OperatorError } from '#base/errors.ts';

/**
 * Runs `body` until it ends or a signal asks it to: SIGTERM, SIGINT, or the terminal's SIGHUP. A second one ends the
 * process at once, after `onImpatience`. Exit status: 0 done, 1 failed, 2 wrong use.
 */
export async function runProcess(
  name: string,
  body: (signal: AbortSignal) => Promise<void>,
  onImpatience: () => void = () => {},
): Promise<never> {
  const stop = new AbortController();
  let isStopping = false;
  const onSignal = () => {
    if (isStopping) {
      onImpatience();
      process.exit(130);
    }
    isStopping = true;
    stop.abort();
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, onSignal);
  // Who reads our output may be gone: `evenkeel status | head -1`, or a terminal that was closed.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
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
  if (isDiskError(error)) return `${error.message}: mend that disk or path, or choose another`;
  return error.stack ?? error.message;
}

/** A full disk, a read-only one, somebody else's file: whichever part ran into it, the operator can mend it. */
function isDiskError(error: Error): boolean {
  const { code = '', path } = error as NodeJS.ErrnoException;
  if (/^(ENOSPC|EDQUOT|EROFS|EIO)$/.test(code)) return true;
  return path !== undefined && /^(EACCES|EPERM|ENOTDIR|EISDIR|ENOENT)$/.test(code);
}
