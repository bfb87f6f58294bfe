/** Files the command line names, read once at start; what is wrong with one is said in a line that names its flag. */
import { readFileSync } from 'node:fs';
import { messageOf, OperatorError } from '#base/errors.ts';

export function readFileOf(flag: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new OperatorError(`cannot read ${path} (${(cause as NodeJS.ErrnoException).code}): check --${flag}`, {
      cause,
    });
  }
}

/** What `read` makes of a file; what it throws becomes an OperatorError. */
export function parseFileOf<T>(flag: string, path: string, read: (text: string) => T): T {
  const text = readFileOf(flag, path);
  try {
    return read(text);
  } catch (cause) {
    throw new OperatorError(`${path} of --${flag} is no good: ${messageOf(cause)}`, { cause });
  }
}
