/** ValidatingAdmissionPolicy and MutatingAdmissionPolicy; their expressions are compiled where they run. */
import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import type { Strategy } from '../../kind.ts';
import { each, ensure, setDefault } from '../../set-default.ts';
import { ageOf } from '../../table-cells.ts';
import { oneOf } from '../../validation/values.ts';
import { setMatchResourcesDefaults, validateRule } from './rule.ts';

export const validatingAdmissionPolicy: KindModule = {
  definition: { setDefaults },
  strategy: strategyFor('validations'),
};

export const mutatingAdmissionPolicy: KindModule = {
  definition: { setDefaults },
  strategy: strategyFor('mutations'),
};

function setDefaults(object: KubeObject): void {
  const spec = ensure(object, 'spec');
  setDefault(spec, 'failurePolicy', 'Fail');
  if (spec.matchConstraints) setMatchResourcesDefaults(spec.matchConstraints);
}

function strategyFor(expressions: 'validations' | 'mutations'): Strategy {
  const validate = (object: KubeObject) => validatePolicy(object, expressions);
  return {
    hasGeneration: true,
    allowUnconditionalUpdate: false,
    validate,
    validateUpdate: validate,
    tableRow(object, now) {
      const { paramKind } = object.spec ?? {};
      return [
        object.metadata.name ?? '',
        each(object.spec?.[expressions]).length,
        paramKind ? `${paramKind.apiVersion}/${paramKind.kind}` : '<unset>',
        ageOf(object, now),
      ];
    },
  };
}

function validatePolicy({ spec = {} }: KubeObject, expressions: string): FieldError[] {
  const errors = oneOf('spec.failurePolicy', spec.failurePolicy, ['Fail', 'Ignore']);
  const match = spec.matchConstraints;
  if (!match) errors.push(fieldError.required('spec.matchConstraints'));
  else if (each(match.resourceRules).length === 0)
    errors.push(fieldError.required('spec.matchConstraints.resourceRules'));
  each(match?.resourceRules).forEach((rule, i) => {
    errors.push(...validateRule(rule, `spec.matchConstraints.resourceRules[${i}]`));
  });
  if (each(spec[expressions]).length === 0 && each(spec.auditAnnotations).length === 0)
    errors.push(
      expressions === 'validations'
        ? fieldError.required('spec.validations', 'validations or auditAnnotations must contain at least one item')
        : fieldError.required('spec.mutations', 'mutations must contain at least one item'),
    );
  each(spec.validations).forEach(({ expression = '' }, i) => {
    if (expression.trim() === '')
      errors.push(fieldError.required(`spec.validations[${i}].expression`, 'expression is not specified'));
  });
  return errors;
}
