import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { selectorMismatch } from '../../apps/v1/workload-validation.ts';
import { allContainers } from '../../core/v1/pod-defaults.ts';
import { validatePodTemplate } from '../../core/v1/pod-validation.ts';
import { each, type Fields } from '../../set-default.ts';
import { immutable, semanticEqual } from '../../validation/immutable.ts';
import { validateLabelSelector } from '../../validation/label-selector.ts';
import { nonNegative, oneOf } from '../../validation/values.ts';

const controllerUid = 'batch.kubernetes.io/controller-uid';

export function validateJob(object: KubeObject): FieldError[] {
  const { spec } = object;
  const errors = validateJobSpec(spec, 'spec');
  if (!spec.selector) errors.push(fieldError.required('spec.selector'));
  else errors.push(...validateLabelSelector(spec.selector, 'spec.selector'));
  if (!spec.manualSelector) {
    const generated = { matchLabels: { [controllerUid]: object.metadata.uid } };
    if (!semanticEqual(spec.selector, generated))
      errors.push(fieldError.invalid('spec.selector', spec.selector, '`selector` not auto-generated'));
  }
  if (spec.selector) errors.push(...selectorMismatch(spec.selector, spec.template));
  return errors;
}

/** Also a CronJob's `spec.jobTemplate.spec`. */
export function validateJobSpec(spec: Fields, field: string): FieldError[] {
  const errors = [
    'parallelism',
    'completions',
    'activeDeadlineSeconds',
    'backoffLimit',
    'ttlSecondsAfterFinished',
    'backoffLimitPerIndex',
    'maxFailedIndexes',
  ].flatMap((name) => nonNegative(`${field}.${name}`, spec[name]));
  errors.push(...validateCompletionMode(spec, field));
  if (spec.podFailurePolicy) errors.push(...validateFailurePolicy(spec, `${field}.podFailurePolicy`));
  const template = `${field}.template`;
  errors.push(...validatePodTemplate(spec.template, template));
  const restartPolicy = spec.template?.spec?.restartPolicy;
  if (!restartPolicy || restartPolicy === 'Always')
    errors.push(fieldError.required(`${template}.spec.restartPolicy`, 'valid values: "OnFailure", "Never"'));
  else errors.push(...oneOf(`${template}.spec.restartPolicy`, restartPolicy, ['OnFailure', 'Never']));
  if (spec.podFailurePolicy && restartPolicy === 'OnFailure')
    errors.push(
      fieldError.invalid(
        `${template}.spec.restartPolicy`,
        restartPolicy,
        'only "Never" is supported when podFailurePolicy is specified',
      ),
    );
  return errors;
}

function validateCompletionMode(spec: Fields, field: string): FieldError[] {
  const errors: FieldError[] = [];
  if (typeof spec.maxFailedIndexes === 'number' && typeof spec.backoffLimitPerIndex !== 'number')
    errors.push(fieldError.required(`${field}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified'));
  errors.push(...oneOf(`${field}.completionMode`, spec.completionMode, ['NonIndexed', 'Indexed']));
  if (spec.completionMode === 'Indexed' && typeof spec.completions !== 'number')
    errors.push(fieldError.required(`${field}.completions`, 'when completion mode is Indexed'));
  if (spec.completionMode === 'NonIndexed' && typeof spec.backoffLimitPerIndex === 'number')
    errors.push(
      fieldError.invalid(
        `${field}.backoffLimitPerIndex`,
        spec.backoffLimitPerIndex,
        'requires indexed completion mode',
      ),
    );
  return errors;
}

const rulesMax = 20;
const exitCodesMax = 255;

function validateFailurePolicy(spec: Fields, field: string): FieldError[] {
  const rules = each(spec.podFailurePolicy.rules);
  const names = allContainers(spec.template?.spec).map((container) => container.name as string);
  const errors = rules.length > rulesMax ? [fieldError.tooMany(`${field}.rules`, rules.length, rulesMax)] : [];
  const ruleErrors = rules.flatMap((rule, i) => {
    const at = `${field}.rules[${i}]`;
    const found = oneOf(`${at}.action`, rule.action ?? '', ['Count', 'FailIndex', 'FailJob', 'Ignore']);
    if (rule.onExitCodes) found.push(...validateExitCodes(rule.onExitCodes, `${at}.onExitCodes`, names));
    const conditions = each(rule.onPodConditions).length > 0;
    if (rule.onExitCodes && conditions)
      found.push(shownAsIs(at, 'specifying both OnExitCodes and OnPodConditions is not supported'));
    if (!rule.onExitCodes && !conditions)
      found.push(shownAsIs(at, 'specifying one of OnExitCodes and OnPodConditions is required'));
    return found;
  });
  return [...errors, ...ruleErrors];
}

/** Upstream gives the text as the value, unquoted and without detail. */
function shownAsIs(field: string, text: string): FieldError {
  return { type: 'FieldValueInvalid', field, message: `Invalid value: ${text}` };
}

function validateExitCodes(requirement: Fields, field: string, containerNames: readonly string[]): FieldError[] {
  const errors = oneOf(`${field}.operator`, requirement.operator, ['In', 'NotIn']);
  const { containerName } = requirement;
  if (containerName && !containerNames.includes(containerName))
    errors.push(
      fieldError.invalid(
        `${field}.containerName`,
        containerName,
        'must be one of the container or initContainer names in the pod template',
      ),
    );
  const values: number[] = requirement.values ?? [];
  if (values.length === 0) errors.push(fieldError.invalid(`${field}.values`, values, 'at least one value is required'));
  else if (values.length > exitCodesMax)
    errors.push(fieldError.tooMany(`${field}.values`, values.length, exitCodesMax));
  const seen = new Set<number>();
  values.forEach((value, i) => {
    if (requirement.operator === 'In' && value === 0)
      errors.push(fieldError.invalid(`${field}.values[${i}]`, value, 'must not be 0 for the In operator'));
    if (seen.has(value)) errors.push(fieldError.duplicate(`${field}.values[${i}]`, value));
    seen.add(value);
  });
  if (values.some((value, i) => i > 0 && value < values[i - 1]!))
    errors.push(fieldError.invalid(`${field}.values`, values, 'must be ordered'));
  return errors;
}

export function validateJobUpdate(object: KubeObject, old: KubeObject): FieldError[] {
  const { spec } = object;
  const before = old.spec;
  const indexed = spec.completionMode === 'Indexed';
  // An indexed job may be stretched or shrunk, with as many pods at once as completions.
  const elastic = indexed && spec.completions === spec.parallelism;
  const notStarted = before.suspend && !old.status?.startTime;
  return [
    ...validateJobSpec(spec, 'spec'),
    ...(elastic ? [] : immutable('spec.completions', spec.completions, before.completions)),
    ...immutable('spec.selector', spec.selector, before.selector),
    ...immutable('spec.template', directives(spec.template, notStarted), directives(before.template, notStarted)),
    ...immutable('spec.completionMode', spec.completionMode, before.completionMode),
    ...immutable('spec.podFailurePolicy', spec.podFailurePolicy, before.podFailurePolicy),
    ...immutable('spec.backoffLimitPerIndex', spec.backoffLimitPerIndex, before.backoffLimitPerIndex),
    ...immutable('spec.managedBy', spec.managedBy, before.managedBy),
    ...immutable('spec.successPolicy', spec.successPolicy, before.successPolicy),
  ];
}

/** What a suspended job may still be told about scheduling is left out of the comparison. */
function directives(template: Fields, mayChange: boolean): Fields {
  if (!mayChange) return template;
  const {
    nodeSelector: _selector,
    affinity: _affinity,
    tolerations: _tolerations,
    schedulingGates: _gates,
    ...spec
  } = template.spec;
  return { spec };
}
