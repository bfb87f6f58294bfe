/** Node selector terms, as node affinity has them: terms are alternatives, the requirements of a term all hold. */
import type { Node, NodeSelectorRequirement, NodeSelectorTerm, Pod } from '../api-objects.ts';

/** What the pod requires of its node: nodeSelector and required node affinity. */
export function matchesRequiredNodeAffinity(pod: Pod, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  for (const key in pod.spec.nodeSelector) if (labels[key] !== pod.spec.nodeSelector[key]) return false;
  return requiredTerms(pod)?.some((term) => matchesTerm(term, node)) ?? true;
}

/** Undefined: none required; empty: nothing can match. */
export function requiredTerms(pod: Pod): NodeSelectorTerm[] | undefined {
  const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required && (required.nodeSelectorTerms ?? []);
}

export function matchesTerm(term: NodeSelectorTerm, node: Node): boolean {
  const { matchExpressions = [], matchFields = [] } = term;
  // A term without requirements matches nothing, as upstream decided.
  if (matchExpressions.length === 0 && matchFields.length === 0) return false;
  const labels = node.metadata.labels ?? {};
  return (
    matchExpressions.every((r) => matchesRequirement(r, labels[r.key])) &&
    matchFields.every((r) => matchesRequirement(r, r.key === 'metadata.name' ? node.metadata.name : undefined))
  );
}

function matchesRequirement({ operator, values = [] }: NodeSelectorRequirement, actual: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return actual !== undefined && values.includes(actual);
    case 'NotIn':
      return actual === undefined || !values.includes(actual);
    case 'Exists':
      return actual !== undefined;
    case 'DoesNotExist':
      return actual === undefined;
    case 'Gt':
    case 'Lt': {
      if (actual === undefined || !isInteger(actual) || !isInteger(values[0] ?? '')) return false;
      const difference = BigInt(actual) - BigInt(values[0]!);
      return operator === 'Gt' ? difference > 0n : difference < 0n;
    }
    default:
      return false;
  }
}

function isInteger(text: string): boolean {
  return /^-?\d{1,19}$/.test(text);
}
