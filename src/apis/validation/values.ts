/** Checks of single values, worded as upstream words them. Each returns what is wrong, nothing when the value is good. */
import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import { percentErrors } from '#apimachinery/int-or-string.ts';
import { dns1123LabelErrors, dns1123SubdomainErrors, qualifiedNameErrors } from '#apimachinery/names.ts';

/** One FieldError for each text of a check of apimachinery/names.ts. */
export function invalidFor(field: string, value: unknown, texts: readonly string[]): FieldError[] {
  return texts.map((text) => fieldError.invalid(field, value, text));
}

export function nonNegative(field: string, value: unknown): FieldError[] {
  return typeof value === 'number' && value < 0
    ? [fieldError.invalid(field, value, 'must be greater than or equal to 0')]
    : [];
}

export function inRange(field: string, value: number | undefined, min: number, max: number): FieldError[] {
  return value !== undefined && (value < min || value > max)
    ? [fieldError.invalid(field, value, `must be between ${min} and ${max}, inclusive`)]
    : [];
}

/** An empty value is left to whoever asks for it. */
export function oneOf(field: string, value: unknown, supported: readonly string[]): FieldError[] {
  return value === undefined || value === null || supported.includes(value as string)
    ? []
    : [fieldError.notSupported(field, value, supported)];
}

export function portNumber(field: string, value: unknown): FieldError[] {
  return inRange(field, typeof value === 'number' ? value : 0, 1, 65535);
}

/** A number, or the name of a container's port. */
export function portNumberOrName(field: string, value: unknown): FieldError[] {
  return typeof value === 'string' ? invalidFor(field, value, portNameErrors(value)) : portNumber(field, value);
}

export function portNameErrors(name: string): string[] {
  const errors: string[] = [];
  if (name.length > 15) errors.push('must be no more than 15 characters');
  if (!/^[-a-z0-9]+$/i.test(name) || name !== name.toLowerCase())
    errors.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  else if (!/[a-z]/.test(name)) errors.push('must contain at least one letter (a-z)');
  if (name.includes('--')) errors.push('must not contain consecutive hyphens');
  if (name.startsWith('-') || name.endsWith('-')) errors.push('must not begin or end with a hyphen');
  return errors;
}

export function dnsLabel(field: string, value: string): FieldError[] {
  return invalidFor(field, value, dns1123LabelErrors(value));
}

export function dnsSubdomain(field: string, value: string): FieldError[] {
  return invalidFor(field, value, dns1123SubdomainErrors(value));
}

export function qualifiedName(field: string, value: string): FieldError[] {
  return invalidFor(field, value, qualifiedNameErrors(value));
}

/** A count or a percentage, neither negative nor more than all. */
export function intOrPercent(field: string, value: unknown): FieldError[] {
  if (typeof value === 'number') return nonNegative(field, value);
  return typeof value === 'string' ? invalidFor(field, value, percentErrors(value)) : [];
}

export function notMoreThan100Percent(field: string, value: unknown): FieldError[] {
  return typeof value === 'string' && /^\d+%$/.test(value) && Number.parseInt(value, 10) > 100
    ? [fieldError.invalid(field, value, 'must not be greater than 100%')]
    : [];
}

/** Whether a count or percentage is none at all. */
export function isZero(value: unknown): boolean {
  return value === undefined || value === null || Number.parseInt(String(value), 10) === 0;
}

const utf8 = new TextEncoder();

export function byteLength(text: string): number {
  return utf8.encode(text).length;
}

export function bytesOfBase64(text: string): number {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  return (text.length / 4) * 3 - padding;
}

const configMapKey = /^[-._a-zA-Z0-9]+$/;

/** Keys of config maps and secrets, which become file names. */
export function configKeyErrors(key: string): string[] {
  const errors: string[] = [];
  if (key.length > 253) errors.push('must be no more than 253 characters');
  if (!configMapKey.test(key)) {
    errors.push(
      "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
    );
  }
  if (key === '.') errors.push("must not be '.'");
  else if (key === '..') errors.push("must not be '..'");
  else if (key.startsWith('..')) errors.push("must not start with '..'");
  return errors;
}
