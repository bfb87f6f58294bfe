import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { ensure, setDefault } from '../../set-default.ts';
import { ageOf } from '../../table-cells.ts';
import { semanticEqual } from '../../validation/immutable.ts';
import { isNegative, positiveQuantity, quantityOf } from '../../validation/quantities.ts';
import { dnsSubdomain, oneOf } from '../../validation/values.ts';
import { validateNodeSelector } from './pod-scheduling-validation.ts';
import { accessModes, accessModesCell, storageClassCell, unset, volumeModes } from './volume-cells.ts';
import { setVolumeSourceDefaults } from './volume-defaults.ts';
import { persistentVolumeSources, validateSources } from './volume-validation.ts';

export const persistentVolume: KindModule = {
  definition: {
    setDefaults(object) {
      const spec = ensure(object, 'spec');
      setDefault(spec, 'persistentVolumeReclaimPolicy', 'Retain');
      setDefault(spec, 'volumeMode', 'Filesystem');
      setVolumeSourceDefaults(spec);
    },
  },
  strategy: {
    prepareForCreate(object) {
      object.status = { phase: 'Pending', lastPhaseTransitionTime: object.metadata.creationTimestamp };
    },
    prepareForStatusUpdate(object, old) {
      const status = ensure(object, 'status');
      if (status.phase === old.status?.phase) status.lastPhaseTransitionTime ??= old.status?.lastPhaseTransitionTime;
    },
    validate,
    validateUpdate,
    tableRow: (object, now) => {
      const { spec = {}, status = {} } = object;
      const { claimRef } = spec;
      return [
        object.metadata.name ?? '',
        spec.capacity?.storage ?? '0',
        accessModesCell(spec.accessModes),
        spec.persistentVolumeReclaimPolicy ?? '',
        object.metadata.deletionTimestamp ? 'Terminating' : (status.phase ?? ''),
        claimRef ? `${claimRef.namespace}/${claimRef.name}` : '',
        storageClassCell(object.metadata.annotations, spec.storageClassName),
        spec.volumeAttributesClassName ?? unset,
        status.reason ?? '',
        ageOf(object, now),
        spec.volumeMode ?? unset,
      ];
    },
  },
};

function validate({ spec }: KubeObject): FieldError[] {
  const modes: string[] = spec.accessModes ?? [];
  const errors = modes.length === 0 ? [fieldError.required('spec.accessModes')] : [];
  for (const mode of modes) errors.push(...oneOf('spec.accessModes', mode, accessModes));
  if (modes.length > 1 && modes.includes('ReadWriteOncePod'))
    errors.push(fieldError.forbidden('spec.accessModes', 'may not use ReadWriteOncePod with other access modes'));
  const capacity = spec.capacity ?? null;
  if (!capacity) errors.push(fieldError.required('spec.capacity'));
  if (!capacity || !('storage' in capacity) || Object.keys(capacity).length > 1)
    errors.push(fieldError.notSupported('spec.capacity', capacity, ['storage']));
  for (const [name, amount] of Object.entries(capacity ?? {})) {
    const field = `spec.capacity[${name}]`;
    if (isNegative(amount))
      errors.push(
        fieldError.invalid(
          field,
          Number(quantityOf(amount).nanos / 1_000_000_000n),
          'must be a valid resource quantity',
        ),
      );
    errors.push(...positiveQuantity(field, amount));
  }
  errors.push(
    ...oneOf('spec.persistentVolumeReclaimPolicy', spec.persistentVolumeReclaimPolicy, ['Delete', 'Recycle', 'Retain']),
  );
  if (spec.nodeAffinity?.required)
    errors.push(...validateNodeSelector(spec.nodeAffinity.required, 'spec.nodeAffinity.required'));
  errors.push(...validateSources(spec, 'spec', persistentVolumeSources));
  if (spec.storageClassName) errors.push(...dnsSubdomain('spec.storageClassName', spec.storageClassName));
  errors.push(...oneOf('spec.volumeMode', spec.volumeMode, volumeModes));
  return errors;
}

function validateUpdate(object: KubeObject, old: KubeObject): FieldError[] {
  const errors = validate(object);
  const source = (spec: Record<string, unknown>) => persistentVolumeSources.map((name) => spec[name]);
  if (!semanticEqual(source(object.spec), source(old.spec)))
    errors.push(
      fieldError.forbidden('spec.persistentvolumesource', 'spec.persistentvolumesource is immutable after creation'),
    );
  if (object.spec.volumeMode !== old.spec.volumeMode)
    errors.push(fieldError.invalid('spec.volumeMode', object.spec.volumeMode, 'field is immutable'));
  return errors;
}
