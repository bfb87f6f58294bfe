import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import { compareQuantities } from '#apimachinery/quantity.ts';
import type { Fields } from '../../set-default.ts';
import { nonNegativeQuantity, quantityOf, wholeQuantity } from '../../validation/quantities.ts';
import { qualifiedName } from '../../validation/values.ts';

/** ResourceRequirements of a container. */
export function validateResources(resources: Fields, field: string): FieldError[] {
  const limits: Record<string, string> = resources?.limits ?? {};
  const requests: Record<string, string> = resources?.requests ?? {};
  return [
    ...Object.entries(limits).flatMap(([name, quantity]) => validateAmount(name, quantity, `${field}.limits[${name}]`)),
    ...Object.entries(requests).flatMap(([name, quantity]) => [
      ...validateAmount(name, quantity, `${field}.requests[${name}]`),
      ...validateAgainstLimit(name, quantity, limits[name], `${field}.requests`),
    ]),
  ];
}

const standardResources = new Set(['cpu', 'memory', 'ephemeral-storage']);
const hugePages = 'hugepages-';

/** Not divisible, not overcommitted: devices and the like, `example.com/gpu`. */
export function isExtendedResource(name: string): boolean {
  return name.includes('/') && !name.includes('kubernetes.io/') && !name.startsWith('requests.');
}

function validateAmount(name: string, quantity: string, field: string): FieldError[] {
  const errors = qualifiedName(field, name);
  if (!name.includes('/') && !standardResources.has(name) && !name.startsWith(hugePages))
    errors.push(fieldError.invalid(field, name, 'must be a standard resource for containers'));
  else if (name.includes('kubernetes.io/') && !name.startsWith(hugePages))
    errors.push(fieldError.invalid(field, name, 'must be a standard resource type or fully qualified'));
  errors.push(...nonNegativeQuantity(field, quantity));
  if (isExtendedResource(name)) errors.push(...wholeQuantity(field, quantity));
  return errors;
}

function validateAgainstLimit(name: string, request: string, limit: string | undefined, field: string): FieldError[] {
  const fixed = isExtendedResource(name) || name.startsWith(hugePages);
  if (limit === undefined)
    return fixed ? [fieldError.required(field, 'Limit must be set for non overcommitable resources')] : [];
  const order = compareQuantities(quantityOf(request), quantityOf(limit));
  if (fixed && order !== 0) return [fieldError.invalid(field, request, `must be equal to ${name} limit of ${limit}`)];
  if (order > 0) return [fieldError.invalid(field, request, `must be less than or equal to ${name} limit of ${limit}`)];
  return [];
}
