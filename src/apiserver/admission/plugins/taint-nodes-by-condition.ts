/** TaintNodesByCondition: a node is born with the not-ready taint, so that nothing is put on it before it says it is. */
import facts from '#apis/facts/admission.json' with { type: 'json' };
import type { AdmissionPlugin } from '../admission.ts';

const taint = facts.defaults.TaintNodesByCondition;

export const taintNodesByCondition: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  handles: (operation) => operation === 'CREATE',
  admit({ resource, subresource, object }) {
    if (resource.group !== '' || resource.resource !== 'nodes' || subresource !== '' || !object) return;
    object['spec'] ??= {};
    const taints: { key: string; effect: string }[] = object['spec'].taints ?? [];
    if (!taints.some((t) => t.key === taint.key && t.effect === taint.effect))
      object['spec'].taints = [...taints, { ...taint }];
  },
};
