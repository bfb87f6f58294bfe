import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Names the container a process belongs to; inherited by everything it starts. */
export const containerVariable = 'EVENKEEL_CONTAINER';

const isLinux = process.platform === 'linux';

/** What tells a process from a later one with the same pid. Undefined: there is none, or only a zombie is left. */
export function startTimeOf(pid: number): string | undefined {
  return isLinux ? linuxStartTime(pid) : psStartTime(pid);
}

export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return '';
  }
}

/** Cheap enough for every 100 ms: is the process of that pid still the one that started then? */
export function isRunning(pid: number, startTime: string): boolean {
  if (isLinux) return linuxStartTime(pid) === startTime;
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Processes (Linux only) whose container starts with `prefix`, with the container each says it is of. */
export function processesOfContainers(prefix: string): { pid: number; container: string }[] {
  if (!isLinux) return [];
  const found: { pid: number; container: string }[] = [];
  const wanted = `${containerVariable}=${prefix}`;
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    let environment: string;
    try {
      environment = readFileSync(`/proc/${entry}/environ`, 'latin1');
    } catch {
      continue;
    }
    const variable = environment.split('\0').find((v) => v.startsWith(wanted));
    if (variable) found.push({ pid, container: variable.slice(containerVariable.length + 1) });
  }
  return found;
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
