/** The parts of a PodSpec that say where it may run. */
import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import { labelValueErrors } from '#apimachinery/names.ts';
import { each, type Fields } from '../../set-default.ts';
import { validateLabelSelector } from '../../validation/label-selector.ts';
import { dnsLabel, invalidFor, oneOf, qualifiedName } from '../../validation/values.ts';

const required = 'requiredDuringSchedulingIgnoredDuringExecution';
const preferred = 'preferredDuringSchedulingIgnoredDuringExecution';
export const taintEffects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

export function validateAffinity(affinity: Fields, field: string): FieldError[] {
  if (!affinity) return [];
  return [
    ...(affinity.nodeAffinity ? validateNodeAffinity(affinity.nodeAffinity, `${field}.nodeAffinity`) : []),
    ...(affinity.podAffinity ? validatePodAffinity(affinity.podAffinity, `${field}.podAffinity`) : []),
    ...(affinity.podAntiAffinity ? validatePodAffinity(affinity.podAntiAffinity, `${field}.podAntiAffinity`) : []),
  ];
}

/** Also a persistent volume's `nodeAffinity.required`. */
export function validateNodeSelector(selector: Fields, field: string): FieldError[] {
  const terms = each(selector.nodeSelectorTerms);
  if (terms.length === 0)
    return [fieldError.required(`${field}.nodeSelectorTerms`, 'must have at least one node selector term')];
  return terms.flatMap((term, i) => validateNodeTerm(term, `${field}.nodeSelectorTerms[${i}]`));
}

function validateNodeAffinity(affinity: Fields, field: string): FieldError[] {
  return [
    ...(affinity[required] ? validateNodeSelector(affinity[required], `${field}.${required}`) : []),
    ...each(affinity[preferred]).flatMap((term, i) => [
      ...validateWeight(term.weight, `${field}.${preferred}[${i}].weight`),
      ...validateNodeTerm(term.preference ?? {}, `${field}.${preferred}[${i}].preference`),
    ]),
  ];
}

function validateNodeTerm(term: Fields, field: string): FieldError[] {
  return ['matchExpressions', 'matchFields'].flatMap((list) =>
    each(term[list]).flatMap((requirement, i) => validateNodeRequirement(requirement, `${field}.${list}[${i}]`)),
  );
}

function validateNodeRequirement({ key = '', operator, values }: Fields, field: string): FieldError[] {
  const errors: FieldError[] = [];
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (!values?.length)
        errors.push(fieldError.required(`${field}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
      break;
    case 'Exists':
    case 'DoesNotExist':
      if (values?.length)
        errors.push(
          fieldError.forbidden(`${field}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
        );
      break;
    case 'Gt':
    case 'Lt':
      if (values?.length !== 1)
        errors.push(
          fieldError.required(`${field}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'"),
        );
      break;
    default:
      errors.push(fieldError.invalid(`${field}.operator`, operator ?? '', 'not a valid selector operator'));
  }
  return [...errors, ...qualifiedName(`${field}.key`, key)];
}

function validatePodAffinity(affinity: Fields, field: string): FieldError[] {
  return [
    ...each(affinity[required]).flatMap((term, i) => validatePodTerm(term, `${field}.${required}[${i}]`)),
    ...each(affinity[preferred]).flatMap((weighted, i) => [
      ...validateWeight(weighted.weight, `${field}.${preferred}[${i}].weight`),
      ...validatePodTerm(weighted.podAffinityTerm ?? {}, `${field}.${preferred}[${i}].podAffinityTerm`),
    ]),
  ];
}

function validatePodTerm(term: Fields, field: string): FieldError[] {
  return [
    ...validateLabelSelector(term.labelSelector, `${field}.labelSelector`),
    ...validateLabelSelector(term.namespaceSelector, `${field}.namespaceSelector`),
    ...((term.namespaces ?? []) as string[]).flatMap((name, i) => dnsLabel(`${field}.namespaces[${i}]`, name)),
    ...(term.topologyKey ? [] : [fieldError.required(`${field}.topologyKey`, 'can not be empty')]),
    ...qualifiedName(`${field}.topologyKey`, term.topologyKey ?? ''),
  ];
}

function validateWeight(weight: number | undefined, field: string): FieldError[] {
  return (weight ?? 0) < 1 || (weight ?? 0) > 100
    ? [fieldError.invalid(field, weight ?? 0, 'must be in the range 1-100')]
    : [];
}

export function validateTolerations(tolerations: unknown, field: string): FieldError[] {
  return each(tolerations).flatMap((toleration, i) => {
    const at = `${field}[${i}]`;
    const { key = '', operator = '', value = '', effect = '' } = toleration;
    const errors = key ? qualifiedName(`${at}.key`, key) : [];
    if (!key && operator !== 'Exists')
      errors.push(
        fieldError.invalid(
          `${at}.operator`,
          operator,
          'operator must be Exists when `key` is empty, which means "match all values and all keys"',
        ),
      );
    if (typeof toleration.tolerationSeconds === 'number' && effect !== 'NoExecute')
      errors.push(
        fieldError.invalid(`${at}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"),
      );
    if (operator === 'Exists') {
      if (value)
        errors.push(fieldError.invalid(`${at}.operator`, value, "value must be empty when `operator` is 'Exists'"));
    } else if (operator === 'Equal' || operator === '')
      errors.push(...invalidFor(`${at}.operator`, value, labelValueErrors(value)));
    else errors.push(fieldError.notSupported(`${at}.operator`, operator, ['Equal', 'Exists']));
    if (effect) errors.push(...oneOf(`${at}.effect`, effect, taintEffects));
    return errors;
  });
}

export function validateTopologySpread(constraints: unknown, field: string): FieldError[] {
  const seen = new Set<string>();
  return each(constraints).flatMap((constraint, i) => {
    const at = `${field}[${i}]`;
    const { maxSkew = 0, topologyKey = '', whenUnsatisfiable = '', minDomains } = constraint;
    const errors: FieldError[] = [];
    if (maxSkew <= 0) errors.push(fieldError.invalid(`${at}.maxSkew`, maxSkew, 'must be greater than zero'));
    if (!topologyKey) errors.push(fieldError.required(`${at}.topologyKey`, 'can not be empty'));
    errors.push(...oneOf(`${at}.whenUnsatisfiable`, whenUnsatisfiable, ['DoNotSchedule', 'ScheduleAnyway']));
    const key = `${topologyKey}, ${whenUnsatisfiable}`;
    if (seen.has(key)) errors.push(fieldError.duplicate(`${at}.{topologyKey, whenUnsatisfiable}`, `{${key}}`));
    seen.add(key);
    if (typeof minDomains === 'number') {
      if (minDomains <= 0) errors.push(fieldError.invalid(`${at}.minDomains`, minDomains, 'must be greater than zero'));
      if (whenUnsatisfiable !== 'DoNotSchedule')
        errors.push(
          fieldError.invalid(
            `${at}.minDomains`,
            minDomains,
            `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable}`,
          ),
        );
    }
    for (const policy of ['nodeAffinityPolicy', 'nodeTaintsPolicy'])
      errors.push(...oneOf(`${at}.${policy}`, constraint[policy], ['Ignore', 'Honor']));
    return [...errors, ...validateLabelSelector(constraint.labelSelector, `${at}.labelSelector`)];
  });
}
