/**
 * What validation finds, in upstream's vocabulary (apimachinery util/validation/field). The text forms are made
 * here so that every room words them alike; a list of them becomes one Status `Invalid` with a cause each.
 */
import { encodeJson } from './json/encode-json.ts';

export type FieldErrorType =
  | 'FieldValueRequired'
  | 'FieldValueInvalid'
  | 'FieldValueDuplicate'
  | 'FieldValueNotSupported'
  | 'FieldValueForbidden'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany'
  | 'FieldValueNotFound'
  | 'FieldValueTypeInvalid'
  | 'InternalError';

export interface FieldError {
  type: FieldErrorType;
  /** `spec.containers[0].image` */
  field: string;
  /** The whole text after the field path, such as `Invalid value: "x": must be …` or `Required value`. */
  message: string;
}

export const fieldError = {
  required: (field: string, detail = ''): FieldError => make('FieldValueRequired', field, 'Required value', detail),
  invalid: (field: string, value: unknown, detail: string): FieldError =>
    make('FieldValueInvalid', field, `Invalid value: ${show(value)}`, detail),
  duplicate: (field: string, value: unknown): FieldError =>
    make('FieldValueDuplicate', field, `Duplicate value: ${show(value)}`, ''),
  notSupported: (field: string, value: unknown, supported: readonly string[]): FieldError =>
    make(
      'FieldValueNotSupported',
      field,
      `Unsupported value: ${show(value)}`,
      supported.length ? `supported values: ${supported.map((s) => JSON.stringify(s)).join(', ')}` : '',
    ),
  forbidden: (field: string, detail: string): FieldError => make('FieldValueForbidden', field, 'Forbidden', detail),
  /** `max` in bytes. */
  tooLong: (field: string, max: number): FieldError =>
    make('FieldValueTooLong', field, 'Too long', `may not be more than ${max} bytes`),
  tooMany: (field: string, count: number, max: number): FieldError =>
    make('FieldValueTooMany', field, `Too many: ${count}`, `must have at most ${max} items`),
  notFound: (field: string, value: unknown): FieldError =>
    make('FieldValueNotFound', field, `Not found: ${show(value)}`, ''),
  typeInvalid: (field: string, value: unknown, detail: string): FieldError =>
    make('FieldValueTypeInvalid', field, `Invalid value: ${show(value)}`, detail),
};

function make(type: FieldErrorType, field: string, head: string, detail: string): FieldError {
  return { type, field, message: detail === '' ? head : `${head}: ${detail}` };
}

/** Strings quoted, objects as JSON the way Go writes it. */
function show(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'object') return encodeJson(value);
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}
