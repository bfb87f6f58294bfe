import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { each, type Fields } from '../../set-default.ts';
import { validateLabelSelector } from '../../validation/label-selector.ts';

export const role: KindModule = {
  strategy: {
    allowCreateOnUpdate: true,
    validate: (object) => validateRules(object, true),
    validateUpdate: (object) => validateRules(object, true),
  },
};

export const clusterRole: KindModule = {
  strategy: {
    allowCreateOnUpdate: true,
    validate: validateClusterRole,
    validateUpdate: validateClusterRole,
  },
};

function validateClusterRole(object: KubeObject): FieldError[] {
  const aggregation = object.aggregationRule;
  const errors = validateRules(object, false);
  if (!aggregation) return errors;
  const selectors = each(aggregation.clusterRoleSelectors);
  if (selectors.length === 0)
    errors.push(
      fieldError.required(
        'aggregationRule.clusterRoleSelectors',
        'at least one clusterRoleSelector required if aggregationRule is non-nil',
      ),
    );
  return [
    ...errors,
    ...selectors.flatMap((selector, i) =>
      validateLabelSelector(selector, `aggregationRule.clusterRoleSelectors[${i}]`),
    ),
  ];
}

function validateRules(object: KubeObject, namespaced: boolean): FieldError[] {
  return each(object.rules).flatMap((rule, i) => validateRule(rule, `rules[${i}]`, namespaced));
}

function validateRule(rule: Fields, field: string, namespaced: boolean): FieldError[] {
  const errors: FieldError[] = [];
  if (!rule.verbs?.length) errors.push(fieldError.required(`${field}.verbs`, 'verbs must contain at least one value'));
  if (rule.nonResourceURLs?.length) {
    if (namespaced)
      errors.push(
        fieldError.invalid(
          `${field}.nonResourceURLs`,
          rule.nonResourceURLs,
          'namespaced rules cannot apply to non-resource URLs',
        ),
      );
    if (rule.apiGroups?.length || rule.resources?.length || rule.resourceNames?.length)
      errors.push(
        fieldError.invalid(
          `${field}.nonResourceURLs`,
          rule.nonResourceURLs,
          'rules cannot apply to both regular resources and non-resource URLs',
        ),
      );
    return errors;
  }
  if (!rule.apiGroups?.length)
    errors.push(fieldError.required(`${field}.apiGroups`, 'resource rules must supply at least one api group'));
  if (!rule.resources?.length)
    errors.push(fieldError.required(`${field}.resources`, 'resource rules must supply at least one resource'));
  return errors;
}
