import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { ensure, setDefault } from '../../set-default.ts';
import { ageOf, containerCells, labelsCell } from '../../table-cells.ts';
import { nonNegative, oneOf } from '../../validation/values.ts';
import { setPodTemplateDefaults } from './pod-defaults.ts';
import { validatePodTemplate } from './pod-validation.ts';

export const replicationController: KindModule = {
  definition: { setDefaults },
  strategy: {
    hasGeneration: true,
    defaultPropagation: 'orphan',
    validate,
    validateUpdate: validate,
    selectableFields: ({ status }) => ({ 'status.replicas': String(status?.replicas ?? 0) }),
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
        labelsCell(spec?.selector),
      ];
    },
  },
};

function setDefaults(object: KubeObject): void {
  const spec = ensure(object, 'spec');
  const labels = spec.template?.metadata?.labels;
  if (labels && Object.keys(labels).length > 0) {
    if (Object.keys(spec.selector ?? {}).length === 0) spec.selector = { ...labels };
    if (Object.keys(object.metadata.labels ?? {}).length === 0) object.metadata.labels = { ...labels };
  }
  setDefault(spec, 'replicas', 1);
  if (spec.template) setPodTemplateDefaults(spec.template);
}

function validate({ spec }: KubeObject): FieldError[] {
  const errors = [
    ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
    ...nonNegative('spec.replicas', spec.replicas),
  ];
  const selector: Record<string, string> = spec.selector ?? {};
  if (Object.keys(selector).length === 0) errors.push(fieldError.required('spec.selector'));
  if (!spec.template) return [...errors, fieldError.required('spec.template')];
  const labels = spec.template.metadata?.labels ?? {};
  if (Object.entries(selector).some(([key, value]) => labels[key] !== value))
    errors.push(
      fieldError.invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'),
    );
  errors.push(...validatePodTemplate(spec.template, 'spec.template'));
  errors.push(...oneOf('spec.template.spec.restartPolicy', spec.template.spec?.restartPolicy, ['Always']));
  return errors;
}
