import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { ageOf } from '../../table-cells.ts';
import { nonNegative } from '../../validation/values.ts';

export const lease: KindModule = {
  strategy: {
    allowCreateOnUpdate: true,
    // Two holders that do not look at each other's revision would both believe they won.
    allowUnconditionalUpdate: false,
    validate,
    validateUpdate: validate,
    tableRow: (object, now) => [object.metadata.name ?? '', object.spec?.holderIdentity ?? '', ageOf(object, now)],
  },
};

function validate({ spec = {} }: KubeObject): FieldError[] {
  const errors: FieldError[] = [];
  const { leaseDurationSeconds, leaseTransitions } = spec;
  if (typeof leaseDurationSeconds === 'number' && leaseDurationSeconds <= 0)
    errors.push(fieldError.invalid('spec.leaseDurationSeconds', leaseDurationSeconds, 'must be greater than 0'));
  errors.push(...nonNegative('spec.leaseTransitions', leaseTransitions));
  if (spec.strategy === '') errors.push(fieldError.invalid('spec.strategy', spec.strategy, 'must be a valid strategy'));
  if (spec.preferredHolder && !spec.strategy)
    errors.push(fieldError.forbidden('spec.preferredHolder', 'may only be specified when `strategy` is defined'));
  return errors;
}
