import type { Plugin } from '../framework/plugin.ts';
import { Code } from '../framework/status.ts';

export function nodeName(): Plugin {
  return {
    name: 'NodeName',
    filter(_state, { pod }, { node }) {
      if (!pod.spec.nodeName || pod.spec.nodeName === node!.metadata.name) return undefined;
      return { code: Code.unschedulableAndUnresolvable, reasons: ["node(s) didn't match the requested node name"] };
    },
  };
}
