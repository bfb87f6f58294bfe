import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { compareQuantities } from '#apimachinery/quantity.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { each, ensure, type Fields } from '../../set-default.ts';
import { quantityOf } from '../../validation/quantities.ts';

export const limitRange: KindModule = {
  definition: {
    setDefaults(object) {
      for (const item of each(object.spec?.limits)) if (item.type === 'Container') setItemDefaults(item);
    },
  },
  strategy: { allowCreateOnUpdate: true, validate, validateUpdate: validate },
};

/** The limit comes from the maximum; the request from the limit, else from the minimum. */
function setItemDefaults(item: Fields): void {
  fill(item, 'default', item.max);
  fill(item, 'defaultRequest', item.default);
  fill(item, 'defaultRequest', item.min);
}

function fill(item: Fields, field: string, amounts: Record<string, string> | undefined): void {
  if (!amounts) return;
  const target = ensure(item, field);
  for (const [name, quantity] of Object.entries(amounts)) target[name] ??= quantity;
}

function validate({ spec }: KubeObject): FieldError[] {
  const types = new Set<string>();
  return each(spec?.limits).flatMap((item, i) => {
    const at = `spec.limits[${i}]`;
    if (types.has(item.type)) return [fieldError.duplicate(`${at}.type`, item.type)];
    types.add(item.type);
    const errors: FieldError[] = [];
    if (item.type === 'Pod')
      for (const field of ['default', 'defaultRequest'])
        if (item[field] && Object.keys(item[field]).length > 0)
          errors.push(fieldError.forbidden(`${at}.${field}`, "may not be specified when `type` is 'Pod'"));
    if (item.type === 'PersistentVolumeClaim' && !item.min?.storage && !item.max?.storage)
      errors.push(
        fieldError.required(
          `${at}.limits`,
          'either minimum or maximum storage value is required, but neither was provided',
        ),
      );
    return [...errors, ...validateAmounts(item, at)];
  });
}

/** min ≤ default request ≤ default ≤ max, for each resource. */
function validateAmounts(item: Fields, at: string): FieldError[] {
  const fields = ['max', 'min', 'defaultRequest', 'default'];
  const names = new Set(fields.flatMap((field) => Object.keys(item[field] ?? {})));
  return [...names].sort().flatMap((name) => {
    const errors: FieldError[] = [];
    const [max, min, request, limit] = fields.map((field) => item[field]?.[name] as string | undefined);
    const greater = (a?: string, b?: string) =>
      a !== undefined && b !== undefined && compareQuantities(quantityOf(a), quantityOf(b)) > 0;
    const report = (field: string, value: unknown, text: string) =>
      errors.push(fieldError.invalid(`${at}.${field}[${name}]`, value, text));
    if (greater(min, max)) report('min', min, `min value ${min} is greater than max value ${max}`);
    if (greater(min, request))
      report('defaultRequest', request, `min value ${min} is greater than default request value ${request}`);
    if (greater(request, max))
      report('defaultRequest', request, `default request value ${request} is greater than max value ${max}`);
    if (greater(request, limit))
      report(
        'defaultRequest',
        request,
        `default request value ${request} is greater than default limit value ${limit}`,
      );
    if (greater(min, limit) && !greater(min, max))
      report('default', min, `min value ${min} is greater than default value ${limit}`);
    if (greater(limit, max)) report('default', max, `default value ${limit} is greater than max value ${max}`);
    return errors;
  });
}
