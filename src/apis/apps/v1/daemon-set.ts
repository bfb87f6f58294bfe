import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { setPodTemplateDefaults } from '../../core/v1/pod-defaults.ts';
import { ensure, type Fields, setDefault } from '../../set-default.ts';
import { ageOf, containerCells, labelsCell, selectorCell } from '../../table-cells.ts';
import { immutable, semanticEqual } from '../../validation/immutable.ts';
import { intOrPercent, isZero, nonNegative, notMoreThan100Percent } from '../../validation/values.ts';
import { validateSelector, validateTemplate } from './workload-validation.ts';

/** Counts the template's changes; a field of its own in older versions. */
const templateGeneration = 'deprecated.daemonset.template.generation';

export const daemonSet: KindModule = {
  definition: { setDefaults },
  strategy: {
    hasGeneration: true,
    prepareForCreate(object) {
      ensure(object.metadata, 'annotations')[templateGeneration] = '1';
    },
    prepareForUpdate(object, old) {
      const before = Number(old.metadata.annotations?.[templateGeneration] ?? 0);
      const changed = !semanticEqual(object.spec.template, old.spec.template);
      ensure(object.metadata, 'annotations')[templateGeneration] = String(changed ? before + 1 : before);
    },
    validate,
    validateUpdate: (object, old) => [
      ...validate(object),
      ...immutable('spec.selector', object.spec.selector, old.spec.selector),
    ],
    tableRow: (object, now) => {
      const { spec, status } = object;
      return [
        object.metadata.name ?? '',
        status?.desiredNumberScheduled ?? 0,
        status?.currentNumberScheduled ?? 0,
        status?.numberReady ?? 0,
        status?.updatedNumberScheduled ?? 0,
        status?.numberAvailable ?? 0,
        labelsCell(spec?.template?.spec?.nodeSelector),
        ageOf(object, now),
        ...containerCells(spec?.template?.spec),
        selectorCell(spec?.selector),
      ];
    },
  },
};

function setDefaults(object: KubeObject): void {
  const spec = ensure(object, 'spec');
  setPodTemplateDefaults(ensure(spec, 'template'));
  const strategy = ensure(spec, 'updateStrategy');
  setDefault(strategy, 'type', 'RollingUpdate');
  if (strategy.type === 'RollingUpdate') {
    const rolling = ensure(strategy, 'rollingUpdate');
    setDefault(rolling, 'maxUnavailable', 1);
    setDefault(rolling, 'maxSurge', 0);
  }
  setDefault(spec, 'revisionHistoryLimit', 10);
}

function validate({ spec }: KubeObject): FieldError[] {
  return [
    ...validateSelector(spec, 'daemonset'),
    ...validateTemplate(spec),
    ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
    ...validateStrategy(spec.updateStrategy ?? {}),
    ...nonNegative('spec.revisionHistoryLimit', spec.revisionHistoryLimit),
  ];
}

function validateStrategy({ type, rollingUpdate }: Fields): FieldError[] {
  const field = 'spec.updateStrategy.rollingUpdate';
  if (type === 'OnDelete') return [];
  if (type !== 'RollingUpdate')
    return [
      fieldError.notSupported('spec.updateStrategy', { Type: type ?? '', RollingUpdate: rollingUpdate ?? null }, [
        'RollingUpdate',
        'OnDelete',
      ]),
    ];
  if (!rollingUpdate) return [fieldError.required(field)];
  const { maxUnavailable, maxSurge } = rollingUpdate;
  const errors = [
    ...intOrPercent(`${field}.maxUnavailable`, maxUnavailable),
    ...notMoreThan100Percent(`${field}.maxUnavailable`, maxUnavailable),
    ...intOrPercent(`${field}.maxSurge`, maxSurge),
    ...notMoreThan100Percent(`${field}.maxSurge`, maxSurge),
  ];
  if (!isZero(maxUnavailable) && !isZero(maxSurge))
    errors.push(fieldError.invalid(`${field}.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero'));
  if (isZero(maxUnavailable) && isZero(maxSurge))
    errors.push(fieldError.required(`${field}.maxUnavailable`, 'cannot be 0 when maxSurge is 0'));
  return errors;
}
