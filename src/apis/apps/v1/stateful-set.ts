import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { setPodTemplateDefaults } from '../../core/v1/pod-defaults.ts';
import { setClaimSpecDefaults } from '../../core/v1/volume-defaults.ts';
import { each, ensure, setDefault } from '../../set-default.ts';
import { ageOf, containerCells } from '../../table-cells.ts';
import { semanticEqual } from '../../validation/immutable.ts';
import { nonNegative } from '../../validation/values.ts';
import { validateSelector, validateTemplate } from './workload-validation.ts';

export const statefulSet: KindModule = {
  definition: { setDefaults },
  strategy: {
    hasGeneration: true,
    validate,
    validateUpdate,
    scale: { specReplicas: 'spec.replicas', statusReplicas: 'status.replicas', selector: 'spec.selector' },
    tableRow: (object, now) => [
      object.metadata.name ?? '',
      `${object.status?.readyReplicas ?? 0}/${object.spec?.replicas ?? 0}`,
      ageOf(object, now),
      ...containerCells(object.spec?.template?.spec),
    ],
  },
};

function setDefaults(object: KubeObject): void {
  const spec = ensure(object, 'spec');
  setDefault(spec, 'podManagementPolicy', 'OrderedReady');
  const strategy = ensure(spec, 'updateStrategy');
  setDefault(strategy, 'type', 'RollingUpdate');
  if (strategy.type === 'RollingUpdate') setDefault(ensure(strategy, 'rollingUpdate'), 'partition', 0);
  const retention = ensure(spec, 'persistentVolumeClaimRetentionPolicy');
  setDefault(retention, 'whenDeleted', 'Retain');
  setDefault(retention, 'whenScaled', 'Retain');
  setDefault(spec, 'replicas', 1);
  setDefault(spec, 'revisionHistoryLimit', 10);
  setPodTemplateDefaults(ensure(spec, 'template'));
  for (const claim of each(spec.volumeClaimTemplates)) {
    setDefault(claim, 'kind', 'PersistentVolumeClaim');
    setDefault(claim, 'apiVersion', 'v1');
    setClaimSpecDefaults(ensure(claim, 'spec'));
    setDefault(ensure(claim, 'status'), 'phase', 'Pending');
  }
}

function validate({ spec }: KubeObject): FieldError[] {
  const errors: FieldError[] = [];
  const policy = spec.podManagementPolicy ?? '';
  if (!policy) errors.push(fieldError.required('spec.podManagementPolicy'));
  else if (policy !== 'OrderedReady' && policy !== 'Parallel')
    errors.push(fieldError.invalid('spec.podManagementPolicy', policy, "must be 'OrderedReady' or 'Parallel'"));
  const { type = '', rollingUpdate } = spec.updateStrategy ?? {};
  if (!type) errors.push(fieldError.required('spec.updateStrategy'));
  else if (type === 'OnDelete') {
    if (rollingUpdate)
      errors.push(
        fieldError.invalid(
          'spec.updateStrategy.rollingUpdate',
          rollingUpdate,
          "only allowed for updateStrategy 'RollingUpdate'",
        ),
      );
  } else if (type === 'RollingUpdate')
    errors.push(...nonNegative('spec.updateStrategy.rollingUpdate.partition', rollingUpdate?.partition));
  else
    errors.push(
      fieldError.invalid(
        'spec.updateStrategy',
        { Type: type, RollingUpdate: rollingUpdate ?? null },
        "must be 'RollingUpdate' or 'OnDelete'",
      ),
    );
  return [
    ...errors,
    ...nonNegative('spec.replicas', spec.replicas),
    ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
    ...nonNegative('spec.ordinals.start', spec.ordinals?.start),
    ...validateSelector(spec, 'statefulset'),
    ...validateTemplate(spec),
  ];
}

const mutable = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
];

function validateUpdate(object: KubeObject, old: KubeObject): FieldError[] {
  const errors = validate(object);
  const fields = Object.keys({ ...object.spec, ...old.spec }).filter((field) => !mutable.includes(field));
  if (fields.some((field) => !semanticEqual(object.spec[field], old.spec[field])))
    errors.push(
      fieldError.forbidden(
        'spec',
        "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
      ),
    );
  return errors;
}
