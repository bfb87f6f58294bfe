/** The authorizers of --authorization-mode, in order. */
import clusterRoles from '#apis/facts/bootstrap/clusterroles.json' with { type: 'json' };
import type { Registry } from '../registry/registry.ts';
import type { Authorizer } from '../request.ts';
import { type AuthorizationMode, alwaysAllow, alwaysDeny, privilegedGroup } from './authorizer.ts';
import { createNodeAuthorizer } from './node.ts';
import { createRbacAuthorizer, type RuleResolver } from './rbac.ts';
import type { PolicyRule } from './rbac-rule.ts';

export interface Authorization {
  authorizers: Authorizer[];
  /** Only with RBAC. */
  rules: RuleResolver | undefined;
}

export function configureAuthorization(modes: readonly AuthorizationMode[], registry: Registry): Authorization {
  let rules: RuleResolver | undefined;
  const make = (mode: AuthorizationMode): Authorizer => {
    if (mode === 'AlwaysAllow') return alwaysAllow;
    if (mode === 'AlwaysDeny') return alwaysDeny;
    if (mode === 'Node') return createNodeAuthorizer(() => registry.lister('', 'pods'), nodeRules());
    const group = 'rbac.authorization.k8s.io';
    const rbac = createRbacAuthorizer({
      roles: registry.lister(group, 'roles'),
      roleBindings: registry.lister(group, 'rolebindings'),
      clusterRoles: registry.lister(group, 'clusterroles'),
      clusterRoleBindings: registry.lister(group, 'clusterrolebindings'),
    });
    rules = rbac;
    return rbac;
  };
  return { authorizers: [privilegedGroup, ...modes.map(make)], rules };
}

function nodeRules(): readonly PolicyRule[] {
  const role = clusterRoles.items.find((item) => item.metadata.name === 'system:node');
  return (role?.rules ?? []) as PolicyRule[];
}
