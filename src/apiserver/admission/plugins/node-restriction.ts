/** NodeRestriction: a kubelet changes its own Node, its own pods and its own lease, and no others. */

import { apiErrors } from '#apimachinery/status-error.ts';
import facts from '#apis/facts/admission.json' with { type: 'json' };
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';

const userPrefix = 'system:node:';
const { forbiddenLabelPrefix, group } = facts.defaults.NodeRestriction;

export const nodeRestriction: AdmissionPlugin = {
  name: 'NodeRestriction',
  handles: () => true,
  admit(attributes) {
    const { user, resource } = attributes;
    if (!user.groups.includes(group) || !user.name.startsWith(userPrefix)) return;
    const node = user.name.slice(userPrefix.length);
    if (resource.group === '' && resource.resource === 'nodes') checkNode(attributes, node);
    else if (resource.group === '' && resource.resource === 'pods') checkPod(attributes, node);
    else if (resource.group === 'coordination.k8s.io' && resource.resource === 'leases') checkLease(attributes, node);
  },
};

function checkNode(attributes: AdmissionAttributes, node: string): void {
  const name = nameOf(attributes);
  if (name !== node)
    throw refused(attributes, `node ${JSON.stringify(node)} is not allowed to modify node ${JSON.stringify(name)}`);
  if (attributes.operation === 'DELETE') return;
  const before = attributes.oldObject?.metadata.labels ?? {};
  const after = attributes.object?.metadata.labels ?? {};
  const touched = Object.keys({ ...before, ...after }).filter(
    (key) => key.startsWith(forbiddenLabelPrefix) && before[key] !== after[key],
  );
  if (touched.length > 0) throw refused(attributes, `is not allowed to modify labels: ${touched.sort().join(', ')}`);
}

function checkPod(attributes: AdmissionAttributes, node: string): void {
  const { operation, object, oldObject } = attributes;
  if (operation === 'CREATE' && attributes.subresource === '') {
    if (object?.metadata.annotations?.['kubernetes.io/config.mirror'] === undefined)
      throw refused(
        attributes,
        `pod does not have "kubernetes.io/config.mirror" annotation, node ${JSON.stringify(node)} can only create mirror pods`,
      );
  }
  const nodeName = (oldObject ?? object)?.['spec']?.nodeName;
  if (nodeName !== undefined && nodeName !== node)
    throw refused(
      attributes,
      `node ${JSON.stringify(node)} can only ${operation.toLowerCase()} pods with spec.nodeName set to itself`,
    );
}

function checkLease(attributes: AdmissionAttributes, node: string): void {
  if (attributes.namespace !== 'kube-node-lease')
    throw refused(attributes, `can only access leases in the "kube-node-lease" system namespace`);
  if (nameOf(attributes) !== node)
    throw refused(attributes, `can only access node lease with the same name as the requesting node`);
}

function nameOf(attributes: AdmissionAttributes): string {
  return attributes.name || attributes.object?.metadata.name || '';
}

function refused(attributes: AdmissionAttributes, why: string) {
  return apiErrors.forbidden(attributes.resource, nameOf(attributes), why);
}
