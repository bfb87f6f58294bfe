import { isTolerated, type Taint } from '../api-objects.ts';
import type { Plugin } from '../framework/plugin.ts';
import { Code } from '../framework/status.ts';

const unschedulableTaint: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

/** Cordoned nodes take only pods that tolerate it. */
export function nodeUnschedulable(): Plugin {
  return {
    name: 'NodeUnschedulable',
    filter(_state, { pod }, { node }) {
      if (!node!.spec?.unschedulable || isTolerated(unschedulableTaint, pod.spec.tolerations ?? [])) return undefined;
      return { code: Code.unschedulableAndUnresolvable, reasons: ['node(s) were unschedulable'] };
    },
  };
}
