/**
 * No one may grant what they do not hold: writes of roles and bindings are compared with the writer's own rules, unless
 * the writer may `escalate` (roles) or `bind` (bindings), or is in system:masters. Runs after validation, like
 * upstream's policy-based RBAC storage.
 */
import { isDeepStrictEqual } from 'node:util';
import type { KubeObject } from '#apimachinery/object.ts';
import { apiErrors } from '#apimachinery/status-error.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission/admission.ts';
import type { Authorizer, UserInfo } from '../request.ts';
import type { RoleRef, RuleResolver } from './rbac.ts';
import { formatRule, missingRules, type PolicyRule } from './rbac-rule.ts';

const rbacGroup = 'rbac.authorization.k8s.io';
const everything: PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
];

export function rbacEscalation(resolver: RuleResolver, authorizer: Authorizer): AdmissionPlugin {
  const may = async (verb: string, user: UserInfo, resource: string, namespace: string, name: string) => {
    const { decision } = await authorizer.authorize({
      user,
      verb,
      resourceRequest: true,
      group: rbacGroup,
      version: '*',
      resource,
      subresource: '',
      namespace,
      name,
      path: '',
    });
    return decision === 'allow';
  };

  const confirm = (attributes: AdmissionAttributes, wanted: readonly PolicyRule[]) => {
    const { user, namespace, resource } = attributes;
    const { rules, errors } = resolver.rulesFor(user, namespace);
    const missing = missingRules(rules, wanted);
    if (missing.length === 0) return;
    const groups = user.groups.map((g) => JSON.stringify(g)).join(' ');
    let why = `user ${JSON.stringify(user.name)} (groups=[${groups}]) is attempting to grant RBAC permissions not currently held:\n`;
    why += missing.map(formatRule).sort().join('\n');
    if (errors.length > 0) why += `; resolution errors: [${errors.join(', ')}]`;
    throw apiErrors.forbidden(resource, nameOf(attributes), why);
  };

  const checkRole = async (attributes: AdmissionAttributes, role: KubeObject, old: KubeObject | undefined) => {
    if (
      old &&
      isDeepStrictEqual(old['rules'] ?? [], role['rules'] ?? []) &&
      isDeepStrictEqual(old['aggregationRule'], role['aggregationRule'])
    )
      return;
    if (await may('escalate', attributes.user, attributes.resource.resource, attributes.namespace, nameOf(attributes)))
      return;
    confirm(attributes, role['rules'] ?? []);
    if (role['aggregationRule']) confirm(attributes, everything);
  };

  const checkBinding = async (attributes: AdmissionAttributes, binding: KubeObject, old: KubeObject | undefined) => {
    if (
      old &&
      isDeepStrictEqual(old['roleRef'], binding['roleRef']) &&
      isDeepStrictEqual(old['subjects'], binding['subjects'])
    )
      return;
    const roleRef = binding['roleRef'] as RoleRef;
    const roleResource = roleRef.kind === 'Role' ? 'roles' : 'clusterroles';
    if (await may('bind', attributes.user, roleResource, attributes.namespace, roleRef.name)) return;
    let rules: readonly PolicyRule[];
    try {
      rules = resolver.rulesOf(roleRef, attributes.namespace);
    } catch {
      throw apiErrors.notFound(attributes.resource, roleRef.name);
    }
    confirm(attributes, rules);
  };

  return {
    name: 'RBACEscalation',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    async validate(attributes) {
      const { resource, object, oldObject, user } = attributes;
      if (resource.group !== rbacGroup || !object || user.groups.includes('system:masters')) return;
      if (resource.resource.endsWith('roles')) await checkRole(attributes, object, oldObject);
      else await checkBinding(attributes, object, oldObject);
    },
  };
}

function nameOf(attributes: AdmissionAttributes): string {
  return attributes.object?.metadata.name ?? attributes.name;
}
