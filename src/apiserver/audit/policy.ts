/**
 * What of a request is written down: the rules of an audit policy, compiled once. The first rule that matches decides;
 * none: nothing is. Matching makes no objects: every rule has its outcome ready.
 */
import type { RequestInfo, UserInfo } from '../request.ts';

export const levels = ['None', 'Metadata', 'Request', 'RequestResponse'] as const;
export type Level = (typeof levels)[number];

export const stages = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const;
export type Stage = (typeof stages)[number];

/** audit.k8s.io/v1 Policy, as its file has it. */
export interface Policy {
  rules: PolicyRule[];
  omitStages?: Stage[];
  omitManagedFields?: boolean;
}

export interface PolicyRule {
  level: Level;
  users?: string[];
  userGroups?: string[];
  verbs?: string[];
  resources?: GroupResources[];
  namespaces?: string[];
  nonResourceURLs?: string[];
  omitStages?: Stage[];
  omitManagedFields?: boolean;
}

export interface GroupResources {
  group?: string;
  /** `pods`, `pods/status`, `pods/*`, `*\/scale`, `*`; none: all of the group. */
  resources?: string[];
  resourceNames?: string[];
}

export interface Outcome {
  readonly level: Level;
  readonly omitStages: ReadonlySet<Stage>;
  readonly omitManagedFields: boolean;
}

/** `user` undefined: authentication failed. */
export type PolicyEvaluator = (info: RequestInfo, user: UserInfo | undefined) => Outcome;

export function compilePolicy(policy: Policy): PolicyEvaluator {
  const rules = policy.rules.map((rule) => compileRule(rule, policy));
  const byDefault: Outcome = { level: 'None', omitStages: new Set(policy.omitStages), omitManagedFields: false };
  return (info, user) => {
    for (const rule of rules) if (matches(rule, info, user)) return rule.outcome;
    return byDefault;
  };
}

type Names = ReadonlySet<string> | undefined;

/** What is undefined matches everything. */
interface CompiledRule {
  users: Names;
  userGroups: Names;
  verbs: Names;
  namespaces: Names;
  /** By API group. */
  resources: ReadonlyMap<string, CompiledResources[]> | undefined;
  urls: { exact: ReadonlySet<string>; prefixes: string[] } | undefined;
  outcome: Outcome;
}

interface CompiledResources {
  resources: Names;
  resourceNames: Names;
}

function compileRule(rule: PolicyRule, policy: Policy): CompiledRule {
  const urls = rule.nonResourceURLs ?? [];
  return {
    users: namesOf(rule.users),
    userGroups: namesOf(rule.userGroups),
    verbs: namesOf(rule.verbs),
    namespaces: namesOf(rule.namespaces),
    resources: compileResources(rule.resources),
    urls:
      urls.length === 0
        ? undefined
        : {
            exact: new Set(urls),
            prefixes: urls.filter((url) => url.endsWith('*')).map((url) => url.slice(0, -1)),
          },
    outcome: {
      level: rule.level,
      omitStages: new Set([...(policy.omitStages ?? []), ...(rule.omitStages ?? [])]),
      omitManagedFields: rule.omitManagedFields ?? policy.omitManagedFields ?? false,
    },
  };
}

function compileResources(all: readonly GroupResources[] | undefined): CompiledRule['resources'] {
  if (!all || all.length === 0) return undefined;
  const byGroup = new Map<string, CompiledResources[]>();
  for (const { group = '', resources, resourceNames } of all) {
    const compiled = byGroup.get(group) ?? [];
    compiled.push({ resources: namesOf(resources), resourceNames: namesOf(resourceNames) });
    byGroup.set(group, compiled);
  }
  return byGroup;
}

function namesOf(names: readonly string[] | undefined): Names {
  return names && names.length > 0 ? new Set(names) : undefined;
}

function matches(rule: CompiledRule, info: RequestInfo, user: UserInfo | undefined): boolean {
  if (rule.users && !(user && rule.users.has(user.name))) return false;
  if (rule.userGroups && !isInAny(rule.userGroups, user)) return false;
  if (rule.verbs && !rule.verbs.has(info.verb)) return false;
  if (rule.namespaces || rule.resources) return matchesResource(rule, info);
  if (rule.urls) return !info.isResourceRequest && matchesUrl(rule.urls, info.path);
  return true;
}

function isInAny(groups: ReadonlySet<string>, user: UserInfo | undefined): boolean {
  if (!user) return false;
  for (const group of user.groups) if (groups.has(group)) return true;
  return false;
}

function matchesResource(rule: CompiledRule, info: RequestInfo): boolean {
  if (!info.isResourceRequest) return false;
  // Cluster-scoped resources are in the namespace ''.
  if (rule.namespaces && !rule.namespaces.has(info.namespace)) return false;
  if (!rule.resources) return true;
  const ofGroup = rule.resources.get(info.group);
  if (!ofGroup) return false;
  for (const { resources, resourceNames } of ofGroup) {
    if (!resources) return true;
    if (resourceNames && !resourceNames.has(info.name)) continue;
    if (names(resources, info)) return true;
  }
  return false;
}

function names(resources: ReadonlySet<string>, { resource, subresource }: RequestInfo): boolean {
  if (resources.has('*')) return true;
  // `pods/*` is pods and every part of them; `pods` is pods alone.
  if (resources.has(subresource === '' ? resource : `${resource}/${subresource}`)) return true;
  return resources.has(`${resource}/*`) || (subresource !== '' && resources.has(`*/${subresource}`));
}

function matchesUrl({ exact, prefixes }: NonNullable<CompiledRule['urls']>, path: string): boolean {
  if (exact.has(path)) return true;
  for (const prefix of prefixes) if (path.startsWith(prefix)) return true;
  return false;
}
