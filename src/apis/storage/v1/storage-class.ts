import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { setDefault } from '../../set-default.ts';
import { ageOf } from '../../table-cells.ts';
import { immutable } from '../../validation/immutable.ts';
import { byteLength, oneOf, qualifiedName } from '../../validation/values.ts';

const parametersMaxBytes = 256 * 1024;
const parametersMax = 512;
const isDefaultClass = 'storageclass.kubernetes.io/is-default-class';

export const storageClass: KindModule = {
  definition: {
    setDefaults(object) {
      setDefault(object, 'reclaimPolicy', 'Delete');
      setDefault(object, 'volumeBindingMode', 'Immediate');
    },
  },
  strategy: {
    validate,
    validateUpdate: (object, old) => [
      ...validate(object),
      ...['parameters', 'provisioner', 'reclaimPolicy', 'volumeBindingMode'].flatMap((field) =>
        immutable(field, object[field], old[field]),
      ),
    ],
    tableRow: (object, now) => {
      const { name = '', annotations } = object.metadata;
      return [
        annotations?.[isDefaultClass] === 'true' ? `${name} (default)` : name,
        object.provisioner ?? '',
        object.reclaimPolicy ?? 'Delete',
        object.volumeBindingMode ?? '<unset>',
        object.allowVolumeExpansion ?? false,
        ageOf(object, now),
      ];
    },
  },
};

function validate(object: KubeObject): FieldError[] {
  const { provisioner = '' } = object;
  return [
    ...(provisioner ? qualifiedName('provisioner', provisioner.toLowerCase()) : [fieldError.required('provisioner')]),
    ...validateParameters(object.parameters),
    ...oneOf('reclaimPolicy', object.reclaimPolicy, ['Delete', 'Retain']),
    ...oneOf('volumeBindingMode', object.volumeBindingMode, ['Immediate', 'WaitForFirstConsumer']),
  ];
}

/** Given on to a driver; storage classes and volume attributes classes alike. */
export function validateParameters(parameters: Record<string, string> | undefined | null): FieldError[] {
  const entries = Object.entries(parameters ?? {});
  if (entries.length > parametersMax) return [fieldError.tooLong('parameters', parametersMax)];
  const bytes = entries.reduce((sum, [key, value]) => sum + byteLength(key) + byteLength(value), 0);
  const errors = entries.some(([key]) => key === '')
    ? [fieldError.invalid('parameters', '', 'field can not be empty.')]
    : [];
  if (bytes > parametersMaxBytes) errors.push(fieldError.tooLong('parameters', parametersMaxBytes));
  return errors;
}
