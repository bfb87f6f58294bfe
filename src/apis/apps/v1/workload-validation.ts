/** What the workloads of apps/v1 have in common: a selector that picks their own pods, which always restart. */
import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import { validatePodTemplate } from '../../core/v1/pod-validation.ts';
import type { Fields } from '../../set-default.ts';
import { selectsLabels, validateLabelSelector } from '../../validation/label-selector.ts';
import { oneOf } from '../../validation/values.ts';

/** `kindInText` as upstream has it in its message for an empty selector. */
export function validateSelector(spec: Fields, kindInText: string): FieldError[] {
  const { selector } = spec;
  if (!selector) return [fieldError.required('spec.selector')];
  const errors = validateLabelSelector(selector, 'spec.selector');
  if (isEmptySelector(selector))
    errors.push(fieldError.invalid('spec.selector', selector, `empty selector is invalid for ${kindInText}`));
  return errors;
}

export function validateTemplate(spec: Fields): FieldError[] {
  const { selector, template } = spec;
  if (!isWellFormed(selector)) return [fieldError.invalid('spec.selector', selector, 'invalid label selector')];
  const errors = selectorMismatch(selector, template);
  errors.push(...validatePodTemplate(template, 'spec.template'));
  errors.push(...oneOf('spec.template.spec.restartPolicy', template?.spec?.restartPolicy, ['Always']));
  if (template?.spec?.activeDeadlineSeconds)
    errors.push(
      fieldError.forbidden(
        'spec.template.spec.activeDeadlineSeconds',
        'activeDeadlineSeconds in ReplicaSet is not Supported',
      ),
    );
  return errors;
}

export function selectorMismatch(selector: Fields, template: Fields): FieldError[] {
  const labels = template?.metadata?.labels;
  if (selector && (isEmptySelector(selector) || selectsLabels(selector, labels))) return [];
  return [
    fieldError.invalid('spec.template.metadata.labels', labels ?? null, '`selector` does not match template `labels`'),
  ];
}

function isEmptySelector(selector: Fields): boolean {
  return Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions?.length ?? 0) === 0;
}

/** Whether it can be matched with at all. */
function isWellFormed(selector: Fields): boolean {
  return validateLabelSelector(selector, '').length === 0;
}
