import { type LabelSelector, labelSelectorFromObject, matchesLabels } from '#apimachinery/selector/labels.ts';
import type { Pod, PodAffinityTerm } from '../api-objects.ts';

export type NamespaceLabels = (namespace: string) => Readonly<Record<string, string>>;

/** A pod affinity term, parsed: pods with such labels, in such namespaces, within one value of `topologyKey`. */
export interface AffinityTerm {
  topologyKey: string;
  selector: LabelSelector;
  namespaces: ReadonlySet<string>;
  /** Namespaces by their labels, besides those by name. */
  namespaceSelector: LabelSelector;
}

const noTerms: readonly AffinityTerm[] = [];

export function affinityTermsOf(owner: Pod, terms: readonly PodAffinityTerm[] | undefined): readonly AffinityTerm[] {
  return terms?.length ? terms.map((term) => parseAffinityTerm(owner, term)) : noTerms;
}

/** Without namespaces and without a selector of them, the owner's own is meant. */
export function parseAffinityTerm(owner: Pod, term: PodAffinityTerm): AffinityTerm {
  const isOwn = !term.namespaces?.length && !term.namespaceSelector;
  return {
    topologyKey: term.topologyKey,
    selector: labelSelectorFromObject(term.labelSelector),
    namespaces: new Set(isOwn ? [owner.metadata.namespace!] : term.namespaces),
    namespaceSelector: labelSelectorFromObject(term.namespaceSelector),
  };
}

export function matchesAffinityTerm(term: AffinityTerm, pod: Pod, namespaceLabels: NamespaceLabels): boolean {
  const namespace = pod.metadata.namespace!;
  return (
    matchesLabels(term.selector, pod.metadata.labels) &&
    (term.namespaces.has(namespace) || matchesLabels(term.namespaceSelector, namespaceLabels(namespace)))
  );
}
