/**
 * What a kubelet may do, by its name (`system:node:NAME` in group system:nodes): the role system:node, and of secrets,
 * config maps, claims and service accounts only what pods on that node refer to. Upstream keeps a graph of those
 * references; here they are looked for in the node's pods when asked, which is the same answer at another price.
 */
import type { KubeObject } from '#apimachinery/object.ts';
import type { Lister } from '../registry/registry.ts';
import type { AuthorizationAttributes, Authorizer, Decision } from '../request.ts';
import type { PolicyRule } from './rbac-rule.ts';
import { ruleAllows } from './rbac-rule.ts';

export function createNodeAuthorizer(pods: () => Lister, nodeRules: readonly PolicyRule[]): Authorizer {
  return {
    name: 'Node',
    authorize(attributes): Decision {
      const node = nodeNameOf(attributes);
      if (node === undefined) return noOpinion;
      if (!attributes.resourceRequest) return noOpinion;
      if (attributes.group === 'coordination.k8s.io' && attributes.resource === 'leases')
        return authorizeLease(node, attributes);
      const refersTo = attributes.group === '' ? references.get(attributes.resource) : undefined;
      if (refersTo) {
        if (!isAsked(attributes)) return noOpinion;
        if (attributes.name === '') return refuse('can only read resources of this type by name');
        const related = pods()
          .list(attributes.namespace)
          .some((pod) => pod['spec']?.nodeName === node && refersTo(pod).includes(attributes.name));
        return related ? allow : refuse(`no relationship found between node '${node}' and this object`);
      }
      return nodeRules.some((rule) => ruleAllows(rule, attributes)) ? allow : noOpinion;
    },
  };
}

const allow: Decision = Object.freeze({ decision: 'allow' }) as Decision;
const noOpinion: Decision = Object.freeze({ decision: 'no-opinion' }) as Decision;
const refuse = (reason: string): Decision => ({ decision: 'no-opinion', reason });

/** The node's own heartbeat; all other leases are somebody's election. */
function authorizeLease(node: string, { verb, namespace, name }: AuthorizationAttributes): Decision {
  if (namespace !== 'kube-node-lease')
    return refuse(`can only access leases in the "kube-node-lease" system namespace`);
  if (!leaseVerbs.includes(verb)) return refuse('can only get, create, update, patch, or delete a node lease');
  // Of a new one the name is in the body: admission looks at that.
  if (verb !== 'create' && name !== node)
    return refuse('can only access node lease with the same name as the requesting node');
  return allow;
}
const leaseVerbs = ['get', 'create', 'update', 'patch', 'delete'];

/** Reading what a pod refers to, a token for its service account, the status of its claims. */
function isAsked({ resource, subresource, verb }: AuthorizationAttributes): boolean {
  if (resource === 'serviceaccounts' && subresource === 'token') return verb === 'create';
  if (resource === 'persistentvolumeclaims' && subresource === 'status') return statusVerbs.includes(verb);
  return subresource === '' && readVerbs.includes(verb);
}
const statusVerbs = ['get', 'update', 'patch'];
const readVerbs = ['get', 'list', 'watch'];

export function nodeNameOf(attributes: Pick<AuthorizationAttributes, 'user'>): string | undefined {
  const { name, groups } = attributes.user;
  return name.startsWith('system:node:') && groups.includes('system:nodes')
    ? name.slice('system:node:'.length)
    : undefined;
}

const volumes = (pod: KubeObject): any[] => pod['spec']?.volumes ?? [];
const containers = (pod: KubeObject): any[] => [
  ...(pod['spec']?.containers ?? []),
  ...(pod['spec']?.initContainers ?? []),
  ...(pod['spec']?.ephemeralContainers ?? []),
];
const present = (names: (string | undefined)[]): string[] => names.filter((n) => n !== undefined);

/** The names of such objects that a pod refers to. */
const references = new Map<string, (pod: KubeObject) => string[]>(
  Object.entries({
    secrets: (pod: KubeObject) =>
      present([
        ...volumes(pod).flatMap((v) => [
          v.secret?.secretName,
          ...(v.projected?.sources ?? []).map((s: any) => s.secret?.name),
        ]),
        ...containers(pod).flatMap((c) => [
          ...(c.envFrom ?? []).map((e: any) => e.secretRef?.name),
          ...(c.env ?? []).map((e: any) => e.valueFrom?.secretKeyRef?.name),
        ]),
        ...(pod['spec']?.imagePullSecrets ?? []).map((s: any) => s.name),
      ]),
    configmaps: (pod: KubeObject) =>
      present([
        ...volumes(pod).flatMap((v) => [
          v.configMap?.name,
          ...(v.projected?.sources ?? []).map((s: any) => s.configMap?.name),
        ]),
        ...containers(pod).flatMap((c) => [
          ...(c.envFrom ?? []).map((e: any) => e.configMapRef?.name),
          ...(c.env ?? []).map((e: any) => e.valueFrom?.configMapKeyRef?.name),
        ]),
      ]),
    persistentvolumeclaims: (pod: KubeObject) => present(volumes(pod).map((v) => v.persistentVolumeClaim?.claimName)),
    serviceaccounts: (pod: KubeObject) => present([pod['spec']?.serviceAccountName]),
  }),
);
