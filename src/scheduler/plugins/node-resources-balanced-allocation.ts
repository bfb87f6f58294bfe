import type { NodeInfo } from '../framework/node-info.ts';
import type { Plugin } from '../framework/plugin.ts';
import { maxNodeScore } from '../framework/plugin.ts';
import { Code } from '../framework/status.ts';

/**
 * Prefers nodes whose CPU and memory the pod brings into balance, lest one be left over when the other is used up.
 * Scores the change: 50 is none.
 */
export function nodeResourcesBalancedAllocation(): Plugin {
  return {
    name: 'NodeResourcesBalancedAllocation',
    preScore(_state, { requests }) {
      return requests.milliCpu === 0 && requests.memory === 0 ? { code: Code.skip, reasons: [] } : undefined;
    },
    score(_state, { requests }, node) {
      const before = balance(node, 0, 0);
      const after = balance(node, requests.milliCpu, requests.memory);
      const half = maxNodeScore / 2;
      return half + Math.trunc((half + after - before) / 2);
    },
  };
}

/** 100 when both are used to the same share. */
function balance({ allocatable, requested }: NodeInfo, milliCpu: number, memory: number): number {
  if (allocatable.milliCpu === 0 || allocatable.memory === 0) return maxNodeScore;
  const cpuShare = Math.min(1, (requested.milliCpu + milliCpu) / allocatable.milliCpu);
  const memoryShare = Math.min(1, (requested.memory + memory) / allocatable.memory);
  return Math.floor((1 - Math.abs(cpuShare - memoryShare) / 2) * maxNodeScore);
}
