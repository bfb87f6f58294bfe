import type { Plugin } from '../framework/plugin.ts';
import { Code } from '../framework/status.ts';

/** A pod with gates stays out of the active queue until whoever set them has taken the last one away. */
export function schedulingGates(): Plugin {
  return {
    name: 'SchedulingGates',
    preEnqueue(pod) {
      const gates = pod.spec.schedulingGates ?? [];
      if (gates.length === 0) return undefined;
      const names = gates.map((g) => g.name).join(' ');
      return { code: Code.unschedulableAndUnresolvable, reasons: [`waiting for scheduling gates: [${names}]`] };
    },
  };
}
