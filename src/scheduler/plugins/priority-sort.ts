import type { Plugin } from '../framework/plugin.ts';

/** Higher priority first; among equals, who has waited longer. */
export function prioritySort(): Plugin {
  return {
    name: 'PrioritySort',
    less(a, b) {
      const difference = (a.info.pod.spec.priority ?? 0) - (b.info.pod.spec.priority ?? 0);
      if (difference !== 0) return difference > 0;
      return a.timestampMs !== b.timestampMs ? a.timestampMs < b.timestampMs : a.sequence < b.sequence;
    },
  };
}
