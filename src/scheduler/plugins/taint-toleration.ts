import { isTolerated, type Taint } from '../api-objects.ts';
import { normalizeTo100 } from '../framework/normalize-score.ts';
import type { Plugin } from '../framework/plugin.ts';
import { Code } from '../framework/status.ts';

const noTaints: readonly Taint[] = [];
const noTolerations: readonly never[] = [];

/** NoSchedule and NoExecute taints keep pods away; the fewer untolerated PreferNoSchedule ones the better. */
export function taintToleration(): Plugin {
  return {
    name: 'TaintToleration',
    filter(_state, { pod }, { node }) {
      for (const taint of node!.spec?.taints ?? noTaints) {
        if (taint.effect !== 'NoSchedule' && taint.effect !== 'NoExecute') continue;
        if (!isTolerated(taint, pod.spec.tolerations ?? noTolerations)) {
          return { code: Code.unschedulableAndUnresolvable, reasons: ['node(s) had untolerated taint(s)'] };
        }
      }
      return undefined;
    },
    score(_state, { pod }, { node }) {
      let count = 0;
      for (const taint of node!.spec?.taints ?? noTaints) {
        if (taint.effect === 'PreferNoSchedule' && !isTolerated(taint, pod.spec.tolerations ?? noTolerations)) count++;
      }
      return count;
    },
    normalizeScores(_state, _pod, scores) {
      normalizeTo100(scores, true);
    },
  };
}
