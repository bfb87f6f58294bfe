import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import type { Fields } from '../../set-default.ts';
import { ageOf } from '../../table-cells.ts';
import { immutable } from '../../validation/immutable.ts';
import { nonNegativeQuantity, wholeQuantity } from '../../validation/quantities.ts';
import { oneOf, qualifiedName } from '../../validation/values.ts';

export const resourceQuota: KindModule = {
  strategy: {
    validate,
    validateUpdate: (object, old) => [
      ...validate(object),
      ...immutable('spec.scopes', object.spec?.scopes, old.spec?.scopes),
    ],
    tableRow(object, now) {
      const names = Object.keys(object.status?.hard ?? {}).sort();
      const cell = (limits: boolean) =>
        names
          .filter((name) => name.startsWith('limits') === limits)
          .map((name) => `${name}: ${object.status.used?.[name] ?? '0'}/${object.status.hard[name]}`)
          .join(', ');
      return [object.metadata.name ?? '', cell(false), cell(true), ageOf(object, now)];
    },
  },
};

const scopes = [
  'BestEffort',
  'CrossNamespacePodAffinity',
  'NotBestEffort',
  'NotTerminating',
  'PriorityClass',
  'Terminating',
  'VolumeAttributesClass',
];
/** Counted, so whole. */
const countedResources = new Set([
  'pods',
  'services',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
]);
const computeResources = /^((requests|limits)\.)?(cpu|memory|ephemeral-storage)$/;
const podScoped = (name: string) => name === 'pods' || computeResources.test(name);

function validate({ spec = {} }: KubeObject): FieldError[] {
  const errors = Object.entries((spec.hard ?? {}) as Record<string, string>).flatMap(([name, quantity]) => {
    const field = `spec.hard[${name}]`;
    const found = [...qualifiedName(field, name), ...nonNegativeQuantity(field, quantity)];
    if (countedResources.has(name) || name.startsWith('count/')) found.push(...wholeQuantity(field, quantity));
    return found;
  });
  return [...errors, ...validateScopes(spec)];
}

function validateScopes(spec: Fields): FieldError[] {
  const given: string[] = spec.scopes ?? [];
  const field = 'spec.scopes';
  const errors = given.flatMap((scope) => oneOf(field, scope, scopes));
  const hard = Object.keys(spec.hard ?? {});
  for (const scope of given) {
    // Pods without requests can only be counted.
    const fits = scope === 'BestEffort' ? (name: string) => name === 'pods' : podScoped;
    if (scopes.includes(scope) && !hard.every(fits))
      errors.push(fieldError.invalid(field, given, 'unsupported scope applied to resource'));
  }
  for (const [a, b] of [
    ['BestEffort', 'NotBestEffort'],
    ['Terminating', 'NotTerminating'],
  ])
    if (given.includes(a!) && given.includes(b!)) errors.push(fieldError.invalid(field, given, 'conflicting scopes'));
  return errors;
}
