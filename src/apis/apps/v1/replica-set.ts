import type { FieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { setPodTemplateDefaults } from '../../core/v1/pod-defaults.ts';
import { ensure, setDefault } from '../../set-default.ts';
import { ageOf, containerCells, selectorCell } from '../../table-cells.ts';
import { immutable } from '../../validation/immutable.ts';
import { nonNegative } from '../../validation/values.ts';
import { validateSelector, validateTemplate } from './workload-validation.ts';

export const replicaSet: KindModule = {
  definition: { setDefaults },
  strategy: {
    hasGeneration: true,
    validate,
    validateUpdate: (object, old) => [
      ...validate(object),
      ...immutable('spec.selector', object.spec.selector, old.spec.selector),
    ],
    scale: { specReplicas: 'spec.replicas', statusReplicas: 'status.replicas', selector: 'spec.selector' },
    tableRow: (object, now) => {
      const { spec, status } = object;
      return [
        object.metadata.name ?? '',
        spec?.replicas ?? 0,
        status?.replicas ?? 0,
        status?.readyReplicas ?? 0,
        ageOf(object, now),
        ...containerCells(spec?.template?.spec),
        selectorCell(spec?.selector),
      ];
    },
  },
};

function setDefaults(object: KubeObject): void {
  const spec = ensure(object, 'spec');
  setDefault(spec, 'replicas', 1);
  setPodTemplateDefaults(ensure(spec, 'template'));
}

function validate({ spec }: KubeObject): FieldError[] {
  return [
    ...nonNegative('spec.replicas', spec.replicas),
    ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
    ...validateSelector(spec, 'deployment'),
    ...validateTemplate(spec),
  ];
}
