import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { ageOf } from '../../table-cells.ts';
import { byteLength, bytesOfBase64, configKeyErrors, invalidFor } from '../../validation/values.ts';
import { dataMaxBytes, validateImmutable } from './secret.ts';

export const configMap: KindModule = {
  strategy: {
    validate,
    validateUpdate: (object, old) => [...validateImmutable(object, old, ['data', 'binaryData']), ...validate(object)],
    tableRow: (object, now) => [
      object.metadata.name ?? '',
      Object.keys(object.data ?? {}).length + Object.keys(object.binaryData ?? {}).length,
      ageOf(object, now),
    ],
  },
};

function validate(object: KubeObject): FieldError[] {
  const data: Record<string, string> = object.data ?? {};
  const binaryData: Record<string, string> = object.binaryData ?? {};
  const errors: FieldError[] = [];
  let bytes = 0;
  for (const [key, text] of Object.entries(data)) {
    errors.push(...invalidFor(`data[${key}]`, key, configKeyErrors(key)));
    if (Object.hasOwn(binaryData, key))
      errors.push(fieldError.invalid(`data[${key}]`, key, 'duplicate of key present in binaryData'));
    bytes += byteLength(text);
  }
  for (const [key, base64] of Object.entries(binaryData)) {
    errors.push(...invalidFor(`binaryData[${key}]`, key, configKeyErrors(key)));
    bytes += bytesOfBase64(base64);
  }
  // Upstream names no field here; its text form of that is `[]`.
  if (bytes > dataMaxBytes) errors.push(fieldError.tooLong('[]', dataMaxBytes));
  return errors;
}
