import { fieldError } from '#apimachinery/field-error.ts';
import { formatGroupKind, parseGroupVersion } from '#apimachinery/group-version.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { ageOf, none } from '../../table-cells.ts';
import { immutable } from '../../validation/immutable.ts';
import { nonNegative } from '../../validation/values.ts';

export const controllerRevision: KindModule = {
  strategy: {
    validate: (object) => [
      ...(object.data === undefined || object.data === null ? [fieldError.required('data', 'data is mandatory')] : []),
      ...nonNegative('revision', object.revision),
    ],
    validateUpdate: (object, old) => [
      ...immutable('data', object.data, old.data),
      ...nonNegative('revision', object.revision),
    ],
    tableRow(object, now) {
      const owner = object.metadata.ownerReferences?.find((reference) => reference.controller);
      const groupKind = owner && { group: parseGroupVersion(owner.apiVersion).group, kind: owner.kind };
      return [
        object.metadata.name ?? '',
        groupKind ? `${formatGroupKind(groupKind).toLowerCase()}/${owner.name}` : none,
        object.revision ?? 0,
        ageOf(object, now),
      ];
    },
  },
};
