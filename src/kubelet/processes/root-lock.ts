import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OperatorError } from '#base/errors.ts';
import { lockFile } from '#base/file-lock.ts';

/** Lets one kubelet at a time own a root directory. The file beside the lock names the holder, for the message only. */
export function lockRoot(root: string): { release(): void } {
  const holderFile = join(root, 'kubelet.pid');
  const lock = lockFile(join(root, 'kubelet.lock'));
  if (!lock) {
    throw new OperatorError(
      `root directory ${root} belongs to the kubelet with pid ${readHolder(holderFile)}: stop it or choose another --root-dir`,
    );
  }
  try {
    writeFileSync(holderFile, `${process.pid}\n`, { mode: 0o600 });
  } catch {
    // A full disk: the lock holds all the same, and pods on a full disk want their kubelet.
  }
  return lock;
}

function readHolder(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '(unknown)';
  }
}
