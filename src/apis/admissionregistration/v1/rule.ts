import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import { each, ensure, type Fields, setDefault } from '../../set-default.ts';
import { oneOf } from '../../validation/values.ts';

/** RuleWithOperations, of webhooks and policies. */
export function setRuleDefaults(rule: Fields): void {
  setDefault(rule, 'scope', '*');
}

/** MatchResources: `matchConstraints` of a policy, `matchResources` of a binding. */
export function setMatchResourcesDefaults(match: Fields): void {
  ensure(match, 'namespaceSelector');
  ensure(match, 'objectSelector');
  setDefault(match, 'matchPolicy', 'Equivalent');
  for (const list of ['resourceRules', 'excludeResourceRules'])
    for (const rule of each(match[list])) setRuleDefaults(rule);
}

const operations = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];

export function validateRule(rule: Fields, field: string): FieldError[] {
  const errors: FieldError[] = [];
  if (!rule.operations?.length) errors.push(fieldError.required(`${field}.operations`));
  if (rule.operations?.length > 1 && rule.operations.includes('*'))
    errors.push(
      fieldError.invalid(
        `${field}.operations`,
        rule.operations,
        "if '*' is present, must not specify other operations",
      ),
    );
  ((rule.operations ?? []) as string[]).forEach((operation, i) => {
    errors.push(...oneOf(`${field}.operations[${i}]`, operation, operations));
  });
  for (const list of ['apiGroups', 'apiVersions', 'resources'])
    if (!rule[list]?.length) errors.push(fieldError.required(`${field}.${list}`));
  return [...errors, ...oneOf(`${field}.scope`, rule.scope, ['*', 'Cluster', 'Namespaced'])];
}
