import type { Plugin } from '../framework/plugin.ts';
import { portsConflict } from '../framework/pod-info.ts';
import { Code } from '../framework/status.ts';

/** Host ports are one pod's at a time. */
export function nodePorts(): Plugin {
  return {
    name: 'NodePorts',
    preFilter(_state, { hostPorts }) {
      return hostPorts.length === 0 ? { code: Code.skip, reasons: [] } : undefined;
    },
    filter(_state, { hostPorts }, { usedPorts }) {
      for (const wanted of hostPorts) {
        for (const used of usedPorts) {
          if (portsConflict(wanted, used)) {
            return {
              code: Code.unschedulable,
              reasons: ["node(s) didn't have free ports for the requested pod ports"],
            };
          }
        }
      }
      return undefined;
    },
  };
}
