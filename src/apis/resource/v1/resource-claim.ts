import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { each, type Fields, setDefault, setDefaultNumber } from '../../set-default.ts';
import { ageOf } from '../../table-cells.ts';
import { immutable } from '../../validation/immutable.ts';
import { dnsLabel, dnsSubdomain, oneOf } from '../../validation/values.ts';

export const resourceClaim: KindModule = {
  definition: { setDefaults: ({ spec }) => setClaimDefaults(spec) },
  strategy: {
    validate: ({ spec }) => validateClaimSpec(spec ?? {}, 'spec'),
    validateUpdate: (object, old) => immutable('spec', object.spec, old.spec),
    tableRow: (object, now) => [object.metadata.name ?? '', stateCell(object), ageOf(object, now)],
  },
};

export const resourceClaimTemplate: KindModule = {
  definition: { setDefaults: ({ spec }) => setClaimDefaults(spec?.spec) },
  strategy: {
    validate: ({ spec }) => validateClaimSpec(spec?.spec ?? {}, 'spec.spec'),
    validateUpdate: (object, old) => immutable('spec', object.spec, old.spec),
    tableRow: nameAndAge,
  },
};

export const deviceClass: KindModule = {
  strategy: { hasGeneration: true, tableRow: nameAndAge },
};

export const resourceSlice: KindModule = {
  strategy: {
    hasGeneration: true,
    validate: ({ spec = {} }) => [
      ...(spec.driver ? dnsSubdomain('spec.driver', spec.driver) : [fieldError.required('spec.driver')]),
      ...(spec.pool?.name ? [] : [fieldError.required('spec.pool.name')]),
    ],
    validateUpdate: (object, old) => [
      ...immutable('spec.driver', object.spec?.driver, old.spec?.driver),
      ...immutable('spec.pool.name', object.spec?.pool?.name, old.spec?.pool?.name),
      ...immutable('spec.nodeName', object.spec?.nodeName, old.spec?.nodeName),
    ],
    selectableFields: ({ spec }) => ({ 'spec.nodeName': spec?.nodeName ?? '', 'spec.driver': spec?.driver ?? '' }),
    tableRow: (object, now) => {
      const { spec = {} } = object;
      return [
        object.metadata.name ?? '',
        spec.allNodes ? '<all>' : (spec.nodeName ?? '<unset>'),
        spec.driver ?? '',
        spec.pool?.name ?? '',
        ageOf(object, now),
      ];
    },
  },
};

function nameAndAge(object: KubeObject, now: number): unknown[] {
  return [object.metadata.name ?? '', ageOf(object, now)];
}

function setClaimDefaults(spec: Fields): void {
  for (const request of each(spec?.devices?.requests)) {
    for (const wanted of [...(request.exactly ? [request.exactly] : []), ...each(request.firstAvailable)]) {
      setDefault(wanted, 'allocationMode', 'ExactCount');
      if (wanted.allocationMode === 'ExactCount') setDefaultNumber(wanted, 'count', 1);
    }
  }
}

function validateClaimSpec(spec: Fields, field: string): FieldError[] {
  const names = new Set<string>();
  return each(spec.devices?.requests).flatMap((request, i) => {
    const at = `${field}.devices.requests[${i}]`;
    const errors = request.name ? dnsLabel(`${at}.name`, request.name) : [fieldError.required(`${at}.name`)];
    if (names.has(request.name)) errors.push(fieldError.duplicate(`${at}.name`, request.name));
    names.add(request.name);
    const alternatives = each(request.firstAvailable).length > 0;
    if (!request.exactly && !alternatives)
      errors.push(fieldError.required(at, 'exactly one of `exactly` or `firstAvailable` is required'));
    if (request.exactly && alternatives)
      errors.push(
        fieldError.invalid(
          at,
          null,
          'exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set',
        ),
      );
    if (request.exactly) {
      if (!request.exactly.deviceClassName) errors.push(fieldError.required(`${at}.exactly.deviceClassName`));
      errors.push(...oneOf(`${at}.exactly.allocationMode`, request.exactly.allocationMode, ['All', 'ExactCount']));
    }
    return errors;
  });
}

function stateCell({ metadata, status }: KubeObject): string {
  const states: string[] = [];
  if (metadata.deletionTimestamp) states.push('deleted');
  if (!status?.allocation) states.push(metadata.deletionTimestamp ? '' : 'pending');
  else states.push('allocated');
  if (each(status?.reservedFor).length > 0) states.push('reserved');
  return states.filter(Boolean).join(',');
}
