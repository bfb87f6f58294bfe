import { processesOfContainers } from './container-processes.ts';
import { killGroup } from './host-processes.ts';

/**
 * Ends processes of containers under this root that no checkpoint knows: a kubelet killed between starting a process
 * and writing it down leaves one, and a process that left its container's group survives the end of the container.
 * They are told by the mark in their environment, which all descendants inherit. Linux only. Returns how many.
 */
export function endStrayProcesses(root: string, adoptedContainers: ReadonlySet<string>): number {
  let ended = 0;
  for (const { pid, container } of processesOfContainers(containerPrefix(root))) {
    if (adoptedContainers.has(container)) continue;
    killGroup(pid);
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Gone with its group.
    }
    ended++;
  }
  return ended;
}

/** Container IDs name the root they live under, so that kubelets of one host never touch each other's processes. */
export function containerPrefix(root: string): string {
  return `${root}#`;
}
