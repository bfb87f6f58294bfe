import type { Plugin } from '../framework/plugin.ts';
import { maxNodeScore } from '../framework/plugin.ts';
import { Code } from '../framework/status.ts';

/** The node has what the pod asks for; emptier nodes score higher (LeastAllocated over CPU and memory). */
export function nodeResourcesFit(): Plugin {
  return {
    name: 'NodeResourcesFit',
    filter(_state, { requests }, node) {
      const { allocatable, requested } = node;
      let reasons: string[] | undefined;
      // What could never fit, even on an empty node, no removal of pods can mend.
      let isHopeless = false;
      const isShort = (wanted: number, used: number, total: number) => {
        if (wanted === 0 || wanted <= total - used) return false;
        isHopeless ||= wanted > total;
        return true;
      };
      if (node.pods.size + 1 > node.allowedPods) {
        reasons = ['Too many pods'];
        isHopeless = node.allowedPods === 0;
      }
      if (isShort(requests.milliCpu, requested.milliCpu, allocatable.milliCpu)) {
        reasons = push(reasons, 'Insufficient cpu');
      }
      if (isShort(requests.memory, requested.memory, allocatable.memory))
        reasons = push(reasons, 'Insufficient memory');
      if (isShort(requests.ephemeralStorage, requested.ephemeralStorage, allocatable.ephemeralStorage)) {
        reasons = push(reasons, 'Insufficient ephemeral-storage');
      }
      if (requests.scalar) {
        for (const [name, wanted] of requests.scalar) {
          if (isShort(wanted, requested.scalar?.get(name) ?? 0, allocatable.scalar?.get(name) ?? 0)) {
            reasons = push(reasons, `Insufficient ${name}`);
          }
        }
      }
      return reasons && { code: isHopeless ? Code.unschedulableAndUnresolvable : Code.unschedulable, reasons };
    },
    score(_state, { nonZeroRequests }, { allocatable, nonZeroRequested }) {
      const cpu = leastAllocated(nonZeroRequests.milliCpu + nonZeroRequested.milliCpu, allocatable.milliCpu);
      const memory = leastAllocated(nonZeroRequests.memory + nonZeroRequested.memory, allocatable.memory);
      const weights = (allocatable.milliCpu > 0 ? 1 : 0) + (allocatable.memory > 0 ? 1 : 0);
      return weights === 0 ? 0 : Math.floor((cpu + memory) / weights);
    },
  };
}

/** Share that stays free, of 100. */
function leastAllocated(requested: number, allocatable: number): number {
  if (allocatable === 0 || requested > allocatable) return 0;
  return Math.floor(((allocatable - requested) * maxNodeScore) / allocatable);
}

function push(reasons: string[] | undefined, reason: string): string[] {
  if (!reasons) return [reason];
  reasons.push(reason);
  return reasons;
}
