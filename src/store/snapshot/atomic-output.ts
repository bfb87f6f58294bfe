/**
 * Files and directories that are either whole or not there: made under another name beside their place, synced, and
 * then renamed. Whoever is killed half-way leaves only something with `.part-` in its name.
 */
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { OperatorError } from '#base/errors.ts';

/** `write` gets a name that is free, in a directory of its own on the same disk. */
export async function makeFile(path: string, write: (temporary: string) => Promise<void>): Promise<void> {
  await beside(path, async (directory) => {
    const temporary = join(directory, basename(path));
    await write(temporary);
    chmodSync(temporary, 0o600);
    syncPath(temporary);
    renameSync(temporary, resolve(path));
  });
}

/** Takes the place of an empty directory, or of none. */
export async function makeDirectory(path: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  assertEmpty(path);
  await beside(path, async (directory) => {
    const temporary = join(directory, basename(resolve(path)));
    mkdirSync(temporary, { mode: 0o700 });
    await fill(temporary);
    for (const name of readdirSync(temporary)) syncPath(join(temporary, name));
    syncPath(temporary);
    // Where somebody was faster and the directory is no longer empty, the rename fails.
    renameSync(temporary, resolve(path));
  });
}

export function assertEmpty(path: string): void {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return;
  if (!stat.isDirectory()) throw new OperatorError(`${path} is not a directory: give a new or an empty one`);
  if (readdirSync(path).length > 0)
    throw new OperatorError(`${path} is not empty: move it away (mv ${path} ${path}.old), or give another directory`);
}

async function beside(path: string, work: (directory: string) => Promise<void>): Promise<void> {
  const parent = dirname(resolve(path));
  if (!existsSync(parent)) throw new OperatorError(`${parent} does not exist: make it, or choose another place`);
  const directory = mkdtempSync(join(parent, `.${basename(resolve(path))}.part-`));
  try {
    await work(directory);
    syncPath(parent);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function syncPath(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
