/**
 * Role based access control. Bindings are indexed by subject, so that a request looks at those of its user and groups
 * only; roles are looked up where a binding points to. The index follows the listers' changes.
 */
import type { KubeObject } from '#apimachinery/object.ts';
import type { Lister } from '../registry/registry.ts';
import type { AuthorizationAttributes, Authorizer, Decision, UserInfo } from '../request.ts';
import { type PolicyRule, ruleAllows } from './rbac-rule.ts';

export interface RoleRef {
  kind: 'Role' | 'ClusterRole' | string;
  name: string;
}

export interface RuleResolver {
  /** Rules of a role; throws Error with upstream's text when the role is not there. */
  rulesOf(roleRef: RoleRef, namespace: string): readonly PolicyRule[];
  /** All rules a user holds in a namespace (and cluster-wide). A role that is missing goes to `errors`. */
  rulesFor(user: UserInfo, namespace: string): { rules: PolicyRule[]; errors: string[] };
}

export interface RbacListers {
  roles: Lister;
  roleBindings: Lister;
  clusterRoles: Lister;
  clusterRoleBindings: Lister;
}

export function createRbacAuthorizer(listers: RbacListers): Authorizer & RuleResolver {
  const clusterBindings = followBindings(listers.clusterRoleBindings);
  const bindings = followBindings(listers.roleBindings);

  const rulesOf = (roleRef: RoleRef, namespace: string): readonly PolicyRule[] => {
    const role =
      roleRef.kind === 'Role' ? listers.roles.get(namespace, roleRef.name) : listers.clusterRoles.get('', roleRef.name);
    if (!role)
      throw new Error(
        `${roleRef.kind.toLowerCase()}.rbac.authorization.k8s.io ${JSON.stringify(roleRef.name)} not found`,
      );
    return (role['rules'] as PolicyRule[] | undefined) ?? [];
  };

  /** Calls `visit` for each binding of the user, cluster-wide ones first, until it returns true. */
  const visitBindings = (user: UserInfo, namespace: string, visit: (binding: Binding) => boolean): boolean => {
    const subjects = subjectKeys(user);
    for (const key of subjects) for (const binding of clusterBindings.get(key) ?? none) if (visit(binding)) return true;
    if (namespace !== '')
      for (const key of subjects)
        for (const binding of bindings.get(key) ?? none)
          if (binding.namespace === namespace && visit(binding)) return true;
    return false;
  };

  return {
    name: 'RBAC',
    rulesOf,
    rulesFor(user, namespace) {
      const rules: PolicyRule[] = [];
      const errors: string[] = [];
      visitBindings(user, namespace, (binding) => {
        try {
          rules.push(...rulesOf(binding.roleRef, binding.namespace));
        } catch (error) {
          errors.push((error as Error).message);
        }
        return false;
      });
      return { rules, errors };
    },
    authorize(request: AuthorizationAttributes): Decision {
      let errors: string[] | undefined;
      let by: Binding | undefined;
      visitBindings(request.user, request.namespace, (binding) => {
        let rules: readonly PolicyRule[];
        try {
          rules = rulesOf(binding.roleRef, binding.namespace);
        } catch (error) {
          errors ??= [];
          errors.push((error as Error).message);
          return false;
        }
        for (const rule of rules)
          if (ruleAllows(rule, request)) {
            by = binding;
            return true;
          }
        return false;
      });
      if (by) return { decision: 'allow', reason: `RBAC: allowed by ${by.title} to ${by.subject}` };
      if (!errors) return noOpinion;
      return { decision: 'no-opinion', reason: `RBAC: ${errors.length === 1 ? errors[0] : `[${errors.join(', ')}]`}` };
    },
  };
}

const none: readonly Binding[] = [];
const noOpinion: Decision = Object.freeze({ decision: 'no-opinion' }) as Decision;

/** One subject of one binding. */
interface Binding {
  namespace: string;
  roleRef: RoleRef;
  /** `RoleBinding "name/namespace" of Role "r"` */
  title: string;
  /** `User "jane"` */
  subject: string;
}

function subjectKeys(user: UserInfo): string[] {
  return [`User/${user.name}`, ...user.groups.map((group) => `Group/${group}`)];
}

/** Subject to bindings, kept true to the lister. */
function followBindings(lister: Lister): ReadonlyMap<string, readonly Binding[]> {
  const bySubject = new Map<string, Binding[]>();
  const entries = new Map<string, [string, Binding][]>();

  const remove = (key: string) => {
    for (const [subject, binding] of entries.get(key) ?? []) {
      const rest = bySubject.get(subject)?.filter((b) => b !== binding) ?? [];
      if (rest.length > 0) bySubject.set(subject, rest);
      else bySubject.delete(subject);
    }
    entries.delete(key);
  };
  const put = (key: string, object: KubeObject | undefined) => {
    remove(key);
    if (!object) return;
    const own = bindingsOf(object);
    entries.set(key, own);
    for (const [subject, binding] of own) {
      const list = bySubject.get(subject);
      if (list) list.push(binding);
      else bySubject.set(subject, [binding]);
    }
  };
  const fill = () => {
    for (const object of lister.list()) {
      const { namespace, name } = object.metadata;
      put(namespace ? `${namespace}/${name}` : name!, object);
    }
  };
  lister.onChange(put);
  if (lister.synced) fill();
  else void lister.whenSynced().then(fill, () => {});
  return bySubject;
}

function bindingsOf(object: KubeObject): [string, Binding][] {
  const roleRef = object['roleRef'] as RoleRef;
  const namespace = object.metadata.namespace ?? '';
  const name = namespace === '' ? object.metadata.name : `${object.metadata.name}/${namespace}`;
  const kind = namespace === '' ? 'ClusterRoleBinding' : 'RoleBinding';
  const title = `${kind} "${name}" of ${roleRef.kind} "${roleRef.name}"`;
  const subjects = (object['subjects'] ?? []) as { kind: string; name: string; namespace?: string }[];
  return subjects.map((s) => {
    if (s.kind !== 'ServiceAccount')
      return [`${s.kind}/${s.name}`, { namespace, roleRef, title, subject: `${s.kind} "${s.name}"` }];
    const home = s.namespace || namespace;
    const binding = { namespace, roleRef, title, subject: `ServiceAccount "${s.name}/${home}"` };
    return [`User/system:serviceaccount:${home}:${s.name}`, binding];
  });
}
