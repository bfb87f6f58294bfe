import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import { labelValueErrors, qualifiedNameErrors } from '#apimachinery/names.ts';
import { labelSelectorFromObject, matchesLabels } from '#apimachinery/selector/labels.ts';
import { each, type Fields } from '../set-default.ts';
import { invalidFor } from './values.ts';

/** metav1.LabelSelector. */
export function validateLabelSelector(selector: Fields, field: string): FieldError[] {
  if (!selector) return [];
  const errors = validateLabels(selector.matchLabels, `${field}.matchLabels`);
  each(selector.matchExpressions).forEach((expression, i) => {
    const at = `${field}.matchExpressions[${i}]`;
    const { key = '', operator, values } = expression;
    if (operator === 'In' || operator === 'NotIn') {
      if (!values?.length)
        errors.push(fieldError.required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (values?.length)
        errors.push(
          fieldError.forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
        );
    } else errors.push(fieldError.invalid(`${at}.operator`, operator ?? '', 'not a valid selector operator'));
    errors.push(...invalidFor(`${at}.key`, key, qualifiedNameErrors(key)));
    (values ?? []).forEach((value: string, j: number) => {
      errors.push(...invalidFor(`${at}.values[${j}]`, value, labelValueErrors(value)));
    });
  });
  return errors;
}

/** Labels, or a plain map that selects by them. */
export function validateLabels(labels: Fields, field: string): FieldError[] {
  return Object.entries((labels ?? {}) as Record<string, string>).flatMap(([key, value]) => [
    ...invalidFor(field, key, qualifiedNameErrors(key)),
    ...invalidFor(field, value, labelValueErrors(value)),
  ]);
}

/** A workload must select its own pods. */
export function selectsLabels(selector: Fields, labels: Record<string, string> | undefined): boolean {
  try {
    return matchesLabels(labelSelectorFromObject(selector), labels);
  } catch {
    return true; // an unknown operator is reported as such
  }
}
