import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { compareQuantities } from '#apimachinery/quantity.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { ensure } from '../../set-default.ts';
import { ageOf } from '../../table-cells.ts';
import { semanticEqual } from '../../validation/immutable.ts';
import { positiveQuantity, quantityOf } from '../../validation/quantities.ts';
import { dnsSubdomain, oneOf } from '../../validation/values.ts';
import { accessModes, accessModesCell, storageClassCell, unset, volumeModes } from './volume-cells.ts';
import { setClaimSpecDefaults } from './volume-defaults.ts';

export const persistentVolumeClaim: KindModule = {
  definition: { setDefaults: (object) => setClaimSpecDefaults(ensure(object, 'spec')) },
  strategy: {
    prepareForCreate(object) {
      object.status = { phase: 'Pending' };
    },
    validate,
    validateUpdate,
    tableRow: (object, now) => {
      const { spec = {}, status = {} } = object;
      const bound = Boolean(spec.volumeName);
      return [
        object.metadata.name ?? '',
        object.metadata.deletionTimestamp ? 'Terminating' : (status.phase ?? ''),
        spec.volumeName ?? '',
        bound ? (status.capacity?.storage ?? '0') : '',
        bound ? accessModesCell(status.accessModes) : '',
        storageClassCell(object.metadata.annotations, spec.storageClassName),
        spec.volumeAttributesClassName ?? unset,
        ageOf(object, now),
        spec.volumeMode ?? unset,
      ];
    },
  },
};

function validate({ spec }: KubeObject): FieldError[] {
  const modes: string[] = spec.accessModes ?? [];
  const errors =
    modes.length === 0 ? [fieldError.required('spec.accessModes', 'at least 1 access mode is required')] : [];
  for (const mode of modes) errors.push(...oneOf('spec.accessModes', mode, accessModes));
  if (modes.length > 1 && modes.includes('ReadWriteOncePod'))
    errors.push(fieldError.forbidden('spec.accessModes', 'may not use ReadWriteOncePod with other access modes'));
  const storage = spec.resources?.requests?.storage;
  if (storage === undefined) errors.push(fieldError.required('spec.resources[storage]'));
  else errors.push(...positiveQuantity('spec.resources[storage]', storage));
  if (spec.storageClassName) errors.push(...dnsSubdomain('spec.storageClassName', spec.storageClassName));
  errors.push(...oneOf('spec.volumeMode', spec.volumeMode, volumeModes));
  return errors;
}

const mayChange =
  'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';

function validateUpdate(object: KubeObject, old: KubeObject): FieldError[] {
  const errors = validate(object);
  const { spec } = object;
  const before = old.spec;
  const bound = old.status?.phase === 'Bound';
  const wanted = {
    ...spec,
    volumeName: before.volumeName ? spec.volumeName : undefined,
    storageClassName: spec.storageClassName ?? before.storageClassName,
    ...(bound ? { resources: before.resources, volumeAttributesClassName: before.volumeAttributesClassName } : {}),
  };
  const fields = Object.keys({ ...wanted, ...before }).filter((field) => !semanticEqual(wanted[field], before[field]));
  if (fields.length > 0) {
    const lines = fields.map((f) => `- ${f}: ${JSON.stringify(before[f])}\n+ ${f}: ${JSON.stringify(wanted[f])}`);
    const difference = `@@ -1,${fields.length} +1,${fields.length} @@\n${lines.join('\n')}`;
    errors.push(fieldError.forbidden('spec', `${mayChange}\n${difference}`));
  }
  const size = quantityOf(spec.resources?.requests?.storage);
  const smallest = quantityOf(old.status?.capacity?.storage);
  if (
    bound &&
    compareQuantities(size, quantityOf(before.resources?.requests?.storage)) < 0 &&
    compareQuantities(size, smallest) < 0
  )
    errors.push(fieldError.forbidden('spec.resources.requests.storage', 'field can not be less than status.capacity'));
  return errors;
}
