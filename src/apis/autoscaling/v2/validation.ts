import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import { parseGroupVersion } from '#apimachinery/group-version.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { each, type Fields } from '../../set-default.ts';
import { inRange, nonNegative } from '../../validation/values.ts';

export function validateHorizontalPodAutoscaler({ spec }: KubeObject): FieldError[] {
  const errors: FieldError[] = [];
  const { minReplicas, maxReplicas = 0 } = spec;
  if (typeof minReplicas === 'number' && minReplicas < 1)
    errors.push(fieldError.invalid('spec.minReplicas', minReplicas, 'must be greater than or equal to 1'));
  if (maxReplicas < 1) errors.push(fieldError.invalid('spec.maxReplicas', maxReplicas, 'must be greater than 0'));
  if (typeof minReplicas === 'number' && maxReplicas < minReplicas)
    errors.push(fieldError.invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`'));
  errors.push(...validateReference(spec.scaleTargetRef ?? {}, 'spec.scaleTargetRef'));
  each(spec.metrics).forEach((metric, i) => {
    errors.push(...validateMetric(metric, `spec.metrics[${i}]`));
  });
  for (const direction of ['scaleUp', 'scaleDown']) {
    const rules = spec.behavior?.[direction];
    if (rules) errors.push(...validateRules(rules, `spec.behavior.${direction}`));
  }
  return errors;
}

function validateReference({ apiVersion = '', kind, name }: Fields, field: string): FieldError[] {
  const errors: FieldError[] = [];
  if (!kind) errors.push(fieldError.required(`${field}.kind`));
  if (!name) errors.push(fieldError.required(`${field}.name`));
  const { group } = parseGroupVersion(apiVersion);
  if (group === '' && kind !== 'ReplicationController')
    errors.push(fieldError.invalid(`${field}.apiVersion`, apiVersion, 'apiVersion must specify API group'));
  return errors;
}

const sources: Record<string, string> = {
  ContainerResource: 'containerResource',
  External: 'external',
  Object: 'object',
  Pods: 'pods',
  Resource: 'resource',
};

function validateMetric(metric: Fields, field: string): FieldError[] {
  const { type = '' } = metric;
  if (type === '') return [fieldError.required(`${field}.type`, 'must specify a metric source type')];
  const source = sources[type];
  if (!source) {
    // Found by both of upstream's checks.
    const error = fieldError.notSupported(`${field}.type`, type, Object.keys(sources));
    return [error, error];
  }
  if (!metric[source])
    return [fieldError.required(`${field}.${source}`, 'must populate information for the given metric source')];
  const at = `${field}.${source}`;
  const errors: FieldError[] = [];
  const { target = {}, name } = metric[source];
  if (source === 'resource' || source === 'containerResource') {
    if (!name) errors.push(fieldError.required(`${at}.name`, 'must specify a resource name'));
    if (source === 'containerResource' && !metric[source].container)
      errors.push(fieldError.required(`${at}.container`, 'must specify a container'));
    if (typeof target.averageUtilization !== 'number' && target.averageValue === undefined)
      errors.push(
        fieldError.required(
          `${at}.target.averageUtilization`,
          'must set either a target raw value or a target utilization',
        ),
      );
    if (typeof target.averageUtilization === 'number' && target.averageValue !== undefined)
      errors.push(
        fieldError.forbidden(
          `${at}.target.averageValue`,
          'may not set both a target raw value and a target utilization',
        ),
      );
  }
  if (typeof target.averageUtilization === 'number' && target.averageUtilization < 1)
    errors.push(
      fieldError.invalid(`${at}.target.averageUtilization`, target.averageUtilization, 'must be greater than 0'),
    );
  return errors;
}

const windowSecondsMax = 3600;
const periodSecondsMax = 1800;

function validateRules(rules: Fields, field: string): FieldError[] {
  const errors = inRange(
    `${field}.stabilizationWindowSeconds`,
    rules.stabilizationWindowSeconds ?? undefined,
    0,
    windowSecondsMax,
  );
  each(rules.policies).forEach((policy, i) => {
    const at = `${field}.policies[${i}]`;
    errors.push(...nonNegative(`${at}.value`, policy.value));
    if (policy.value === 0) errors.push(fieldError.invalid(`${at}.value`, 0, 'must be greater than zero'));
    errors.push(...inRange(`${at}.periodSeconds`, policy.periodSeconds, 1, periodSecondsMax));
  });
  return errors;
}
