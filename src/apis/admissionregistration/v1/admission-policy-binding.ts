import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import type { Strategy } from '../../kind.ts';
import type { Fields } from '../../set-default.ts';
import { ageOf } from '../../table-cells.ts';
import { oneOf } from '../../validation/values.ts';
import { setMatchResourcesDefaults } from './rule.ts';

export const validatingAdmissionPolicyBinding: KindModule = {
  definition: { setDefaults },
  strategy: strategyFor(true),
};

export const mutatingAdmissionPolicyBinding: KindModule = {
  definition: { setDefaults },
  strategy: strategyFor(false),
};

function setDefaults({ spec }: KubeObject): void {
  if (spec?.matchResources) setMatchResourcesDefaults(spec.matchResources);
}

function strategyFor(validating: boolean): Strategy {
  const validate = (object: KubeObject) => validateBinding(object, validating);
  return {
    hasGeneration: true,
    allowUnconditionalUpdate: false,
    validate,
    validateUpdate: validate,
    tableRow: (object, now) => [
      object.metadata.name ?? '',
      object.spec?.policyName ?? '',
      paramCell(object.spec?.paramRef),
      ageOf(object, now),
    ],
  };
}

function paramCell(ref: Fields): string {
  if (!ref) return '<unset>';
  if (!ref.name) return '*';
  return ref.namespace ? `${ref.namespace}/${ref.name}` : ref.name;
}

const actions = ['Audit', 'Deny', 'Warn'];

function validateBinding({ spec = {} }: KubeObject, validating: boolean): FieldError[] {
  const errors: FieldError[] = [];
  if (!spec.policyName) errors.push(fieldError.required('spec.policyName'));
  const { paramRef } = spec;
  if (paramRef) {
    if (paramRef.name && paramRef.selector)
      errors.push(fieldError.forbidden('spec.paramRef.name', 'name and selector are mutually exclusive'));
    if (!paramRef.name && !paramRef.selector)
      errors.push(fieldError.required('spec.paramRef', 'one of name or selector must be specified'));
    if (!paramRef.parameterNotFoundAction) errors.push(fieldError.required('spec.paramRef.parameterNotFoundAction'));
    else
      errors.push(
        ...oneOf('spec.paramRef.parameterNotFoundAction', paramRef.parameterNotFoundAction, ['Allow', 'Deny']),
      );
  }
  if (!validating) return errors;
  const given: string[] = spec.validationActions ?? [];
  if (given.length === 0)
    errors.push(fieldError.required('spec.validationActions', 'at least one validation action is required'));
  given.forEach((action, i) => {
    errors.push(...oneOf(`spec.validationActions[${i}]`, action, actions));
    if (given.indexOf(action) < i) errors.push(fieldError.duplicate(`spec.validationActions[${i}]`, action));
  });
  if (given.includes('Deny') && given.includes('Warn'))
    errors.push(
      fieldError.invalid(
        'spec.validationActions',
        given,
        'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
      ),
    );
  return errors;
}
