/**
 * All alert rules. Prometheus' rule file, `evenkeel alerts` and the dashboard are made from these. Every metric in them
 * is one that our components export: a rule that can never fire is worse than none.
 */
import type { AlertRule } from './alert-rule.ts';
import { availabilityRules } from './availability-rules.ts';
import { burnRateRules } from './burn-rate-rules.ts';
import { leaderRules } from './leader-rules.ts';
import { requestRules } from './request-rules.ts';
import type { RuleOptions } from './rule-options.ts';
import { schedulingRules } from './scheduling-rules.ts';
import { securityRules } from './security-rules.ts';
import { storeRules } from './store-rules.ts';

export function alertRules(options: RuleOptions): AlertRule[] {
  const { forMaxMs = Number.POSITIVE_INFINITY } = options;
  return [
    ...requestRules(options),
    ...burnRateRules(options),
    ...schedulingRules(options),
    ...leaderRules(),
    ...availabilityRules(options),
    ...storeRules(options),
    ...securityRules(options),
  ].map((rule) => ({ ...rule, forMs: Math.min(rule.forMs, forMaxMs) }));
}
