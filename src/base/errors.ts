/**
 * Something the operator of a process can mend: a port in use, a file that is missing, a data directory of a newer
 * version. `message` is one line that names the thing and the remedy: `port 6443 is in use: stop what listens there
 * or choose another with --port`.
 */
export class OperatorError extends Error {
  override name = 'OperatorError';
}

/** The text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
