/** Objects a control plane of ours needs beside upstream's bootstrap policy. Made once, left alone when present. */
import { isStatusError } from '#apimachinery/status-error.ts';
import type { ApiClient } from '#client/client.ts';

const rbac = { group: 'rbac.authorization.k8s.io', version: 'v1' };
const simulatedNodes = 'evenkeel:simulated-nodes';

/** One process plays many nodes: it may do for all what a kubelet may do for its own, and nothing else. */
const clusterRole = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name: simulatedNodes },
  rules: [
    { apiGroups: [''], resources: ['nodes'], verbs: ['create', 'get', 'list', 'watch', 'patch', 'update'] },
    { apiGroups: [''], resources: ['nodes/status'], verbs: ['patch', 'update'] },
    { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch', 'delete'] },
    { apiGroups: [''], resources: ['pods/status'], verbs: ['patch', 'update'] },
    { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch', 'update'] },
    {
      apiGroups: ['coordination.k8s.io'],
      resources: ['leases'],
      verbs: ['create', 'get', 'list', 'watch', 'patch', 'update'],
    },
  ],
};

const binding = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRoleBinding',
  metadata: { name: simulatedNodes },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: simulatedNodes },
  subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: simulatedNodes }],
};

export async function ensureAddons(client: ApiClient): Promise<void> {
  for (const [resource, object] of [
    ['clusterroles', clusterRole],
    ['clusterrolebindings', binding],
  ] as const) {
    try {
      await client.resource({ ...rbac, resource }).create(structuredClone(object));
    } catch (error) {
      if (!isStatusError(error, 'AlreadyExists')) throw error;
    }
  }
}
