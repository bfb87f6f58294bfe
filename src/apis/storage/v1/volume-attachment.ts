import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { ageOf } from '../../table-cells.ts';
import { immutable } from '../../validation/immutable.ts';

export const volumeAttachment: KindModule = {
  strategy: {
    allowUnconditionalUpdate: false,
    validate,
    validateUpdate: (object, old) => [...validate(object), ...immutable('spec', object.spec, old.spec)],
    tableRow: (object, now) => {
      const { spec = {}, status } = object;
      return [
        object.metadata.name ?? '',
        spec.attacher ?? '',
        spec.source?.persistentVolumeName ?? '',
        spec.nodeName ?? '',
        status?.attached ?? false,
        ageOf(object, now),
      ];
    },
  },
};

function validate({ spec = {} }: KubeObject): FieldError[] {
  const errors: FieldError[] = [];
  if (!spec.attacher) errors.push(fieldError.required('spec.attacher'));
  const { persistentVolumeName, inlineVolumeSpec } = spec.source ?? {};
  if (!persistentVolumeName && !inlineVolumeSpec)
    errors.push(
      fieldError.required('spec.source', 'must specify exactly one of inlineVolumeSpec and persistentVolumeName'),
    );
  if (!spec.nodeName) errors.push(fieldError.required('spec.nodeName'));
  return errors;
}
