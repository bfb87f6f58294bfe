import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { setDefault } from '../../set-default.ts';
import { ageOf } from '../../table-cells.ts';
import { oneOf } from '../../validation/values.ts';

const userMax = 1_000_000_000;
/** The only ones that may carry the reserved prefix; the server makes them. */
const systemClasses: Record<string, number> = {
  'system-cluster-critical': 2_000_000_000,
  'system-node-critical': 2_000_001_000,
};

export const priorityClass: KindModule = {
  definition: { setDefaults: (object) => setDefault(object, 'preemptionPolicy', 'PreemptLowerPriority') },
  strategy: {
    hasGeneration: true,
    generationOf: () => undefined,
    validate,
    validateUpdate(object, old) {
      const errors: FieldError[] = [];
      if (object.value !== old.value) errors.push(fieldError.forbidden('value', 'may not be changed in an update.'));
      if (object.preemptionPolicy !== old.preemptionPolicy)
        errors.push(fieldError.invalid('preemptionPolicy', object.preemptionPolicy, 'field is immutable'));
      return errors;
    },
    tableRow: (object, now) => [
      object.metadata.name ?? '',
      object.value ?? 0,
      object.globalDefault ?? false,
      ageOf(object, now),
      object.preemptionPolicy ?? '',
    ],
  },
};

function validate(object: KubeObject): FieldError[] {
  const { name = '' } = object.metadata;
  const { value = 0 } = object;
  const errors: FieldError[] = [];
  if (name.startsWith('system-')) {
    const known = systemClasses[name];
    const why =
      known === undefined
        ? `${name} is not a known system priority class`
        : known !== value
          ? `value of ${name} PriorityClass must be ${known}`
          : undefined;
    if (why)
      errors.push(
        fieldError.forbidden(
          'metadata.name',
          `priority class names with 'system-' prefix are reserved for system use only. error: ${why}`,
        ),
      );
  } else if (value > userMax)
    errors.push(fieldError.forbidden('value', `maximum allowed value of a user defined priority is ${userMax}`));
  return [...errors, ...oneOf('preemptionPolicy', object.preemptionPolicy, ['PreemptLowerPriority', 'Never'])];
}
