import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import { parseQuantity, type Quantity } from '#apimachinery/quantity.ts';

/** What a decoded object holds is a quantity; other texts count as 0. */
export function quantityOf(text: unknown): Quantity {
  try {
    return parseQuantity(String(text ?? '0'));
  } catch {
    return { nanos: 0n, format: 'DecimalSI' };
  }
}

export function isNegative(text: unknown): boolean {
  return quantityOf(text).nanos < 0n;
}

export function nonNegativeQuantity(field: string, text: unknown): FieldError[] {
  return isNegative(text) ? [fieldError.invalid(field, text, 'must be greater than or equal to 0')] : [];
}

export function positiveQuantity(field: string, text: unknown): FieldError[] {
  return quantityOf(text).nanos <= 0n ? [fieldError.invalid(field, text, 'must be greater than zero')] : [];
}

export function wholeQuantity(field: string, text: unknown): FieldError[] {
  return quantityOf(text).nanos % 1_000_000_000n !== 0n ? [fieldError.invalid(field, text, 'must be an integer')] : [];
}
