/** Where contents come from: a snapshot, or the directory of a store that is stopped. Both of either kind. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { OperatorError } from '#base/errors.ts';
import { type Database, openDatabase } from '../backend/database.ts';
import { noClock } from './embedded-snapshot.ts';
import { type OpenedSnapshot, type OpenOptions, openData, openSnapshot, readably } from './snapshot-file.ts';

export async function openSource(path: string, options: OpenOptions): Promise<OpenedSnapshot> {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return openSnapshot(path, options);
  return openDirectory(path);
}

/** Holds the directory until it is closed: no store starts in it meanwhile. */
export function openDirectory(path: string): OpenedSnapshot {
  const etcdFile = join(path, 'member', 'snap', 'db');
  if (existsSync(etcdFile)) return openMember(etcdFile);
  const file = join(path, 'store.db');
  if (!existsSync(file))
    throw new OperatorError(`${path} holds no store: give a snapshot, or the data directory of a store`);
  // Closing brings the journal back into the file; the second opening holds the lock, and leaves the file as it is.
  open(path).close();
  const lock = open(path);
  try {
    const contents = readably(file, () => openData(file, 'embedded', 0, false));
    const close = () => {
      contents.close();
      lock.close();
    };
    return { ...contents, close };
  } catch (error) {
    lock.close();
    throw error;
  }
}

/** Of the members of a cluster that is stopped: the others may have stopped before they had heard of the last writes. */
export function newestOf(directories: readonly string[], parent: string): string {
  const revisions = directories.map((directory) => {
    const contents = openDirectory(directory);
    contents.close();
    return contents.revision;
  });
  const newest = directories[revisions.indexOf(Math.max(...revisions))];
  if (!newest) throw new OperatorError(`${parent} holds no member of etcd: give its data directory, or a snapshot`);
  return newest;
}

function openMember(file: string): OpenedSnapshot {
  if (isLocked(file))
    throw new OperatorError(`${file} is in use: stop that etcd, or save from it with --endpoints while it runs`);
  return readably(file, () => openData(file, 'etcd', statSync(file).size, false));
}

/** bbolt's lock, which Node cannot ask for. Where the system has no such list, nobody is taken to hold it. */
function isLocked(file: string): boolean {
  if (!existsSync('/proc/locks')) return false;
  const { ino } = statSync(file);
  return readFileSync('/proc/locks', 'utf8')
    .split('\n')
    .some((line) => / FLOCK /.test(line) && line.split(/\s+/).some((word) => word.endsWith(`:${ino}`)));
}

function open(path: string): Database {
  try {
    return openDatabase(path, noNewId, noClock);
  } catch (error) {
    if (!(error instanceof OperatorError) || !error.message.includes(' is in use ')) throw error;
    throw new OperatorError(`the store in ${path} runs: stop it, or save a snapshot from it with --endpoints`);
  }
}

/** A file that holds a store has its ids. */
function noNewId(): bigint {
  throw new OperatorError('the store has no identity: it was never started; start it once');
}
