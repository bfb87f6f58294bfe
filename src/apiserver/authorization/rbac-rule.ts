/**
 * One PolicyRule of RBAC: whether it allows a request, whether a set of rules covers another, and how upstream's
 * messages print it.
 */
import type { AuthorizationAttributes } from '../request.ts';

export interface PolicyRule {
  verbs: string[];
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
  nonResourceURLs?: string[];
}

export function ruleAllows(rule: PolicyRule, request: AuthorizationAttributes): boolean {
  if (!has(rule.verbs, request.verb)) return false;
  if (!request.resourceRequest) return matchesUrl(rule.nonResourceURLs, request.path);
  return (
    has(rule.apiGroups, request.group) &&
    matchesResource(rule.resources, request.resource, request.subresource) &&
    (!rule.resourceNames?.length || rule.resourceNames.includes(request.name))
  );
}

function has(list: readonly string[] | undefined, wanted: string): boolean {
  return list !== undefined && (list.includes(wanted) || list.includes('*'));
}

/** `pods`, `pods/log`, all of a kind's subresources by name `*\/scale`, all `*`. */
function matchesResource(list: readonly string[] | undefined, resource: string, subresource: string): boolean {
  if (list === undefined) return false;
  for (const entry of list) {
    if (entry === '*') return true;
    const slash = entry.indexOf('/');
    if (slash < 0 ? subresource === '' && entry === resource : false) return true;
    if (slash < 0 || subresource === '' || entry.slice(slash + 1) !== subresource) continue;
    const parent = entry.slice(0, slash);
    if (parent === '*' || parent === resource) return true;
  }
  return false;
}

/** A trailing `*` matches any rest. */
function matchesUrl(list: readonly string[] | undefined, path: string): boolean {
  return (
    list?.some((url) => url === '*' || url === path || (url.endsWith('*') && path.startsWith(url.slice(0, -1)))) ??
    false
  );
}

/** What of `wanted` no rule of `held` grants, in upstream's compact form. Empty: all is covered. */
export function missingRules(held: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  const missing = wanted.flatMap(breakDown).filter((single) => !held.some((rule) => covers(rule, single)));
  return compact(missing);
}

/** A rule of one verb, one group, one resource and at most one name, or one verb and one URL. */
interface SingleRule {
  verb: string;
  group?: string;
  resource?: string;
  name?: string;
  url?: string;
}

function breakDown(rule: PolicyRule): SingleRule[] {
  const singles: SingleRule[] = [];
  for (const group of rule.apiGroups ?? [])
    for (const resource of rule.resources ?? [])
      for (const verb of rule.verbs)
        if (rule.resourceNames?.length)
          for (const name of rule.resourceNames) singles.push({ verb, group, resource, name });
        else singles.push({ verb, group, resource });
  for (const url of rule.nonResourceURLs ?? []) for (const verb of rule.verbs) singles.push({ verb, url });
  return singles;
}

function covers(rule: PolicyRule, single: SingleRule): boolean {
  if (!has(rule.verbs, single.verb)) return false;
  if (single.url !== undefined) return matchesUrl(rule.nonResourceURLs, single.url);
  const [resource, subresource = ''] = single.resource!.split('/') as [string, string?];
  return (
    has(rule.apiGroups, single.group!) &&
    (rule.resources?.includes(single.resource!) || matchesResource(rule.resources, resource, subresource)) === true &&
    (!rule.resourceNames?.length || (single.name !== undefined && rule.resourceNames.includes(single.name)))
  );
}

/** Verbs of the same resource (and name) come together again. */
function compact(singles: readonly SingleRule[]): PolicyRule[] {
  const rules = new Map<string, PolicyRule>();
  for (const { verb, group, resource, name, url } of singles) {
    const key = JSON.stringify([group, resource, name, url]);
    const rule = rules.get(key);
    if (rule) {
      if (!rule.verbs.includes(verb)) rule.verbs.push(verb);
    } else if (url !== undefined) rules.set(key, { verbs: [verb], nonResourceURLs: [url] });
    else
      rules.set(key, {
        verbs: [verb],
        apiGroups: [group!],
        resources: [resource!],
        ...(name === undefined ? {} : { resourceNames: [name] }),
      });
  }
  return [...rules.values()];
}

/** `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}` */
export function formatRule(rule: PolicyRule): string {
  const parts: string[] = [];
  const add = (name: string, list: readonly string[] | undefined) => {
    if (list?.length) parts.push(`${name}:[${list.map((t) => JSON.stringify(t)).join(' ')}]`);
  };
  add('APIGroups', rule.apiGroups);
  add('Resources', rule.resources);
  add('NonResourceURLs', rule.nonResourceURLs);
  add('ResourceNames', rule.resourceNames);
  add('Verbs', rule.verbs);
  return `{${parts.join(', ')}}`;
}
