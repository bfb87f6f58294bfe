import { DatabaseSync } from 'node:sqlite';

/**
 * An exclusive lock on a file, which it makes when missing; undefined when another process has it. The lock is the
 * operating system's own, taken through SQLite because Node has no other way to it: it dies with its holder, so that
 * after kill -9 there is nothing stale to take over and no race between two that would.
 */
export function lockFile(file: string): { release(): void } | undefined {
  const database = new DatabaseSync(file, { timeout: 0 });
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (/database is locked/.test((error as Error).message)) return undefined;
    throw error;
  }
  return { release: () => database.close() };
}
