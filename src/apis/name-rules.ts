/** Which rule a resource's names follow, by facts/validation-limits.json. */
import limits from './facts/validation-limits.json' with { type: 'json' };
import type { NameRule } from './kind.ts';

export function nameRuleOf(group: string, resource: string): NameRule {
  return rules().get(`${group}/${resource}`) ?? 'dns-subdomain';
}

/** Rules with more to them (`max 52`, a canonical IP) are completed by the kind's own validation. */
const ruleNames: Record<string, NameRule> = {
  dns1123Label: 'dns-label',
  dns1035Label: 'dns-1035-label',
  pathSegment: 'path-segment',
};

let cached: Map<string, NameRule> | undefined;

function rules(): Map<string, NameRule> {
  if (cached) return cached;
  cached = new Map();
  for (const { rule, resources } of limits.nameRules) {
    for (const path of resources) {
      const [resource, version, group = ''] = path.split('/').reverse() as [string, string, string?];
      const name = group === 'rbac.authorization.k8s.io' ? 'rbac' : ruleNames[rule];
      if (version && name) cached.set(`${group}/${resource}`, name);
    }
  }
  return cached;
}
