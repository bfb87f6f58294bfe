import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { validateTolerations } from '../../core/v1/pod-scheduling-validation.ts';
import { ageOf } from '../../table-cells.ts';
import { immutable } from '../../validation/immutable.ts';
import { validateLabels } from '../../validation/label-selector.ts';
import { dnsLabel } from '../../validation/values.ts';

export const runtimeClass: KindModule = {
  strategy: {
    allowUnconditionalUpdate: false,
    validate,
    validateUpdate: (object, old) => immutable('handler', object.handler, old.handler),
    tableRow: (object, now) => [object.metadata.name ?? '', object.handler ?? '', ageOf(object, now)],
  },
};

function validate({ handler = '', scheduling }: KubeObject): FieldError[] {
  return [
    ...(handler ? dnsLabel('handler', handler) : [fieldError.required('handler')]),
    ...validateLabels(scheduling?.nodeSelector, 'scheduling.nodeSelector'),
    ...validateTolerations(scheduling?.tolerations, 'scheduling.tolerations'),
  ];
}
