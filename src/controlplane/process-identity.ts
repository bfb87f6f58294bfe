/** A pid alone may have been given to another process since; with its start time it names one process for good. */
import { readFileSync } from 'node:fs';

export interface ProcessIdentity {
  pid: number;
  /** Clock ticks after boot (field 22 of /proc/PID/stat); '' where there is no /proc. */
  startTime: string;
}

export function startTimeOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command's name may hold spaces and parentheses: count fields after its last ')'.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? '' : fields[19]!;
  } catch {
    return '';
  }
}

export function isRunning(identity: ProcessIdentity): boolean {
  if (process.platform === 'linux') {
    return identity.startTime !== '' && startTimeOf(identity.pid) === identity.startTime;
  }
  try {
    process.kill(identity.pid, 0);
    return true;
  } catch {
    return false;
  }
}
