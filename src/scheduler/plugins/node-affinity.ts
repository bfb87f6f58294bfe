import type { NodeSelectorTerm, Pod } from '../api-objects.ts';
import { matchesRequiredNodeAffinity, matchesTerm, requiredTerms } from '../framework/node-selector.ts';
import { normalizeTo100 } from '../framework/normalize-score.ts';
import type { Plugin } from '../framework/plugin.ts';
import { Code } from '../framework/status.ts';

/** nodeSelector and required node affinity decide, preferred node affinity scores. */
export function nodeAffinity(): Plugin {
  return {
    name: 'NodeAffinity',
    preFilter(_state, { pod }) {
      const terms = requiredTerms(pod);
      if (!terms && !pod.spec.nodeSelector) return { code: Code.skip, reasons: [] };
      const nodeNames = terms && namedNodes(terms);
      return nodeNames && { nodeNames };
    },
    filter(_state, { pod }, { node }) {
      if (matchesRequiredNodeAffinity(pod, node!)) return undefined;
      return {
        code: Code.unschedulableAndUnresolvable,
        reasons: ["node(s) didn't match Pod's node affinity/selector"],
      };
    },
    preScore(_state, { pod }) {
      return preferredTerms(pod).length === 0 ? { code: Code.skip, reasons: [] } : undefined;
    },
    score(_state, { pod }, { node }) {
      let sum = 0;
      for (const { weight, preference } of preferredTerms(pod)) if (matchesTerm(preference, node!)) sum += weight;
      return sum;
    },
    normalizeScores(_state, _pod, scores) {
      normalizeTo100(scores, false);
    },
  };
}

function preferredTerms(pod: Pod): { weight: number; preference: NodeSelectorTerm }[] {
  return pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
}

/** When every term names its nodes (as a DaemonSet's pods do), no other node need be looked at. */
function namedNodes(terms: NodeSelectorTerm[]): Set<string> | undefined {
  const names = new Set<string>();
  for (const term of terms) {
    const named = term.matchFields?.filter((f) => f.key === 'metadata.name' && f.operator === 'In') ?? [];
    if (named.length === 0) return undefined;
    for (const name of named[0]!.values ?? []) if (named.every((f) => f.values?.includes(name))) names.add(name);
  }
  return names;
}
