import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { ensure, setDefault } from '../../set-default.ts';
import { ageOf } from '../../table-cells.ts';
import { immutable, semanticEqual } from '../../validation/immutable.ts';
import { bytesOfBase64, configKeyErrors, invalidFor } from '../../validation/values.ts';

export const secret: KindModule = {
  definition: { setDefaults },
  strategy: {
    validate,
    validateUpdate: (object, old) => [
      ...immutable('type', object.type, old.type),
      ...validateImmutable(object, old, ['data']),
      ...validate(object),
    ],
    tableRow: (object, now) => [
      object.metadata.name ?? '',
      object.type ?? '',
      Object.keys(object.data ?? {}).length,
      ageOf(object, now),
    ],
  },
};

export const dataMaxBytes = 1024 * 1024;

const utf8 = new TextEncoder();

function setDefaults(object: KubeObject): void {
  setDefault(object, 'type', 'Opaque');
  // Written as text, kept as bytes.
  const { stringData } = object;
  if (!stringData) return;
  const data = ensure(object, 'data');
  for (const [key, text] of Object.entries(stringData)) data[key] = toBase64(utf8.encode(String(text)));
  delete object.stringData;
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

const serviceAccountName = 'kubernetes.io/service-account.name';
/** What each well-known type must hold. */
const requiredKeys: Record<string, readonly string[]> = {
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
};

function validate(object: KubeObject): FieldError[] {
  const data: Record<string, string> = object.data ?? {};
  const errors = Object.keys(data).flatMap((key) => invalidFor(`data[${key}]`, key, configKeyErrors(key)));
  const bytes = Object.values(data).reduce((sum, value) => sum + bytesOfBase64(value ?? ''), 0);
  if (bytes > dataMaxBytes) errors.push(fieldError.tooLong('data', dataMaxBytes));
  if (object.type === 'kubernetes.io/service-account-token' && !object.metadata.annotations?.[serviceAccountName])
    errors.push(fieldError.required(`metadata.annotations[${serviceAccountName}]`));
  if (object.type === 'kubernetes.io/basic-auth' && !('username' in data) && !('password' in data))
    errors.push(fieldError.required('data[username]'), fieldError.required('data[password]'));
  for (const key of requiredKeys[object.type] ?? []) {
    if (!Object.hasOwn(data, key)) errors.push(fieldError.required(`data[${key}]`));
    else if (key.startsWith('.docker')) errors.push(...validateJson(`data[${key}]`, data[key]!));
  }
  return errors;
}

function validateJson(field: string, base64: string): FieldError[] {
  const text = Buffer.from(base64, 'base64').toString();
  try {
    JSON.parse(text);
    return [];
  } catch {
    const first = text.trimStart()[0];
    const why =
      first === undefined
        ? 'unexpected end of JSON input'
        : `invalid character '${first}' looking for beginning of value`;
    return [fieldError.invalid(field, '<secret contents redacted>', why)];
  }
}

/** Config maps and secrets alike: once `immutable` is set, it and the data stay. */
export function validateImmutable(object: KubeObject, old: KubeObject, fields: readonly string[]): FieldError[] {
  if (!old.immutable) return [];
  const text = 'field is immutable when `immutable` is set';
  const errors = object.immutable ? [] : [fieldError.forbidden('immutable', text)];
  for (const field of fields)
    if (!semanticEqual(object[field], old[field])) errors.push(fieldError.forbidden(field, text));
  return errors;
}
