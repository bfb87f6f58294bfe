import { fieldError } from '#apimachinery/field-error.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { ageOf } from '../../table-cells.ts';
import { immutable } from '../../validation/immutable.ts';
import { validateParameters } from './storage-class.ts';

export const volumeAttributesClass: KindModule = {
  strategy: {
    validate: (object) => [
      ...(object.driverName ? [] : [fieldError.required('driverName')]),
      ...validateParameters(object.parameters),
    ],
    validateUpdate: (object, old) => [
      ...immutable('driverName', object.driverName, old.driverName),
      ...immutable('parameters', object.parameters, old.parameters),
    ],
    tableRow: (object, now) => [object.metadata.name ?? '', object.driverName ?? '', ageOf(object, now)],
  },
};
