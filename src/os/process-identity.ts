/** A pid alone may have been given to another process since; with its start time it names one process for good. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface ProcessIdentity {
  pid: number;
  /** Clock ticks after boot (field 22 of /proc/PID/stat); without /proc, what ps says of its start. */
  startTime: string;
}

const isLinux = process.platform === 'linux';

/** Undefined: there is no such process, or only a zombie is left. */
export function startTimeOf(pid: number): string | undefined {
  return isLinux ? linuxStartTime(pid) : psStartTime(pid);
}

/** Cheap enough for every 100 ms: is the process of that pid still the one that started then? */
export function isRunning({ pid, startTime }: ProcessIdentity): boolean {
  if (startTime === '') return false;
  if (isLinux) return linuxStartTime(pid) === startTime;
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Sends a signal, unless the process has ended: it may do so between any look at it and the sending. */
export function signalProcess(identity: ProcessIdentity, name: NodeJS.Signals): void {
  if (!isRunning(identity)) return;
  try {
    process.kill(identity.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Start times count from the boot: after another one they say nothing. '' where it cannot be told. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return '';
  }
}

function linuxStartTime(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The command's name is in parentheses and may hold anything; fields are counted after the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  return fields[19];
}

function psStartTime(pid: number): string | undefined {
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined;
  } catch {
    return undefined;
  }
}
