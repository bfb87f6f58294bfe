import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { each, ensure, type Fields, setDefaultNumber } from '../../set-default.ts';
import { ageOf, none } from '../../table-cells.ts';
import { oneOf } from '../../validation/values.ts';

const precedenceMax = 10_000;
const precedenceDefault = 1000;

export const flowSchema: KindModule = {
  definition: {
    setDefaults: (object) => setDefaultNumber(ensure(object, 'spec'), 'matchingPrecedence', precedenceDefault),
  },
  strategy: {
    hasGeneration: true,
    allowUnconditionalUpdate: false,
    validate,
    validateUpdate: validate,
    tableRow: (object, now) => {
      const { spec = {}, status } = object;
      const dangling = each(status?.conditions).find((condition) => condition.type === 'Dangling');
      return [
        object.metadata.name ?? '',
        spec.priorityLevelConfiguration?.name ?? '',
        spec.matchingPrecedence ?? 0,
        spec.distinguisherMethod?.type ?? none,
        ageOf(object, now),
        dangling?.status ?? '?',
      ];
    },
  },
};

function validate({ metadata, spec = {} }: KubeObject): FieldError[] {
  const errors: FieldError[] = [];
  const precedence = spec.matchingPrecedence ?? 0;
  if (precedence <= 0)
    errors.push(fieldError.invalid('spec.matchingPrecedence', precedence, 'must be a positive value'));
  if (precedence > precedenceMax)
    errors.push(fieldError.invalid('spec.matchingPrecedence', precedence, `must not be greater than ${precedenceMax}`));
  if (precedence === 1 && metadata.name !== 'exempt')
    errors.push(
      fieldError.invalid(
        'spec.matchingPrecedence',
        precedence,
        "only the schema named 'exempt' may have matchingPrecedence 1",
      ),
    );
  if (spec.distinguisherMethod)
    errors.push(...oneOf('spec.distinguisherMethod', spec.distinguisherMethod.type, ['ByNamespace', 'ByUser']));
  if (!spec.priorityLevelConfiguration?.name)
    errors.push(fieldError.required('spec.priorityLevelConfiguration.name', 'must reference a priority level'));
  return [...errors, ...each(spec.rules).flatMap((rule, i) => validateRule(rule, `spec.rules[${i}]`))];
}

function validateRule(rule: Fields, field: string): FieldError[] {
  const errors: FieldError[] = [];
  if (each(rule.subjects).length === 0)
    errors.push(fieldError.required(`${field}.subjects`, 'subjects must contain at least one value'));
  each(rule.subjects).forEach(({ kind = '' }, i) => {
    errors.push(...oneOf(`${field}.subjects[${i}].kind`, kind, ['Group', 'ServiceAccount', 'User']));
  });
  if (each(rule.resourceRules).length + each(rule.nonResourceRules).length === 0)
    errors.push(fieldError.required(field, 'at least one of resourceRules and nonResourceRules has to be non-empty'));
  return errors;
}
