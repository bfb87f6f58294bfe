import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { setPodTemplateDefaults } from '../../core/v1/pod-defaults.ts';
import { podSpecWarnings } from '../../core/v1/pod-validation.ts';
import { ensure, type Fields, setDefault } from '../../set-default.ts';
import { ageOf, containerCells, selectorCell } from '../../table-cells.ts';
import { immutable } from '../../validation/immutable.ts';
import { intOrPercent, isZero, nonNegative, notMoreThan100Percent } from '../../validation/values.ts';
import { validateSelector, validateTemplate } from './workload-validation.ts';

export const deployment: KindModule = {
  definition: { setDefaults },
  strategy: {
    hasGeneration: true,
    // The revision history is annotations: the controller must see those change as well.
    generationOf: ({ spec, metadata }) => [spec, metadata.annotations ?? {}],
    prepareForStatusUpdate(object, old) {
      object.metadata = { ...object.metadata };
      if (old.metadata.labels) object.metadata.labels = old.metadata.labels;
      else delete object.metadata.labels;
    },
    validate,
    validateUpdate: (object, old) => [
      ...validate(object),
      ...immutable('spec.selector', object.spec.selector, old.spec.selector),
    ],
    warnings: (object) => podSpecWarnings(object.spec?.template?.spec, 'spec.template.spec'),
    scale: { specReplicas: 'spec.replicas', statusReplicas: 'status.replicas', selector: 'spec.selector' },
    tableRow(object, now) {
      const { spec, status } = object;
      return [
        object.metadata.name ?? '',
        `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
        status?.updatedReplicas ?? 0,
        status?.availableReplicas ?? 0,
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
  const strategy = ensure(spec, 'strategy');
  setDefault(strategy, 'type', 'RollingUpdate');
  if (strategy.type === 'RollingUpdate') {
    const rolling = ensure(strategy, 'rollingUpdate');
    setDefault(rolling, 'maxUnavailable', '25%');
    setDefault(rolling, 'maxSurge', '25%');
  }
  setDefault(spec, 'revisionHistoryLimit', 10);
  setDefault(spec, 'progressDeadlineSeconds', 600);
}

function validate({ spec }: KubeObject): FieldError[] {
  const errors = [
    ...nonNegative('spec.replicas', spec.replicas),
    ...validateSelector(spec, 'deployment'),
    ...validateTemplate(spec),
    ...validateStrategy(spec.strategy ?? {}),
    ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
    ...nonNegative('spec.revisionHistoryLimit', spec.revisionHistoryLimit),
    ...nonNegative('spec.progressDeadlineSeconds', spec.progressDeadlineSeconds),
  ];
  if (spec.progressDeadlineSeconds <= (spec.minReadySeconds ?? 0))
    errors.push(
      fieldError.invalid(
        'spec.progressDeadlineSeconds',
        spec.progressDeadlineSeconds,
        'must be greater than minReadySeconds',
      ),
    );
  return errors;
}

function validateStrategy({ type, rollingUpdate }: Fields): FieldError[] {
  const field = 'spec.strategy.rollingUpdate';
  switch (type) {
    case 'Recreate':
      return rollingUpdate
        ? [fieldError.forbidden(field, "may not be specified when strategy `type` is 'Recreate'")]
        : [];
    case 'RollingUpdate': {
      if (!rollingUpdate) return [fieldError.required(field, 'this should be defaulted and never be nil')];
      const { maxUnavailable, maxSurge } = rollingUpdate;
      const errors = [
        ...intOrPercent(`${field}.maxUnavailable`, maxUnavailable),
        ...intOrPercent(`${field}.maxSurge`, maxSurge),
      ];
      if (isZero(maxUnavailable) && isZero(maxSurge))
        errors.push(fieldError.invalid(`${field}.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0'));
      return [...errors, ...notMoreThan100Percent(`${field}.maxUnavailable`, maxUnavailable)];
    }
    default:
      return [
        fieldError.notSupported('spec.strategy', { Type: type ?? '', RollingUpdate: rollingUpdate ?? null }, [
          'Recreate',
          'RollingUpdate',
        ]),
      ];
  }
}
