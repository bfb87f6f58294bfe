/** Finds processes by the container they say they belong to. */
import { readdirSync, readFileSync } from 'node:fs';

/** Names the container a process belongs to; inherited by everything it starts. */
export const containerVariable = 'EVENKEEL_CONTAINER';

/** Processes (Linux only) whose container starts with `prefix`, with the container each says it is of. */
export function processesOfContainers(prefix: string): { pid: number; container: string }[] {
  if (process.platform !== 'linux') return [];
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
