import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { OperatorError } from '#base/errors.ts';

/**
 * Lets one kubelet at a time own a root directory. The lock is the operating system's own, taken through SQLite because
 * Node has no other way to it: it dies with its holder, so that after kill -9 there is nothing stale to take over and no
 * race between two that would. The file beside it names the holder, for the message only.
 */
export function lockRoot(root: string): { release(): void } {
  const holderFile = join(root, 'kubelet.pid');
  const database = new DatabaseSync(join(root, 'kubelet.lock'), { timeout: 0 });
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (cause) {
    database.close();
    throw new OperatorError(
      `root directory ${root} belongs to the kubelet with pid ${readHolder(holderFile)}: stop it or choose another --root-dir`,
      { cause },
    );
  }
  writeFileSync(holderFile, `${process.pid}\n`, { mode: 0o600 });
  return { release: () => database.close() };
}

function readHolder(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '(unknown)';
  }
}
