/** What Go prints for a field nobody set, and which values it takes for empty. */
import type { Decoder } from './scalar-decoders.ts';
import { type SchemaType, specialSchemas } from './schema.ts';

/** `isPointer`: the Go field is a pointer, whose zero value is null. */
export function zeroOf(type: SchemaType, decode: Decoder, isPointer: boolean): () => unknown {
  if (isPointer) return zeroNull;
  switch (type.ref) {
    case undefined:
      break;
    case specialSchemas.quantity:
      return () => '0';
    case specialSchemas.intOrString:
      return () => 0;
    case specialSchemas.time:
    case specialSchemas.microTime:
    case specialSchemas.rawExtension:
    case specialSchemas.fieldsV1:
    case specialSchemas.patch:
    case specialSchemas.json:
    case specialSchemas.jsonSchemaPropsOrArray:
    case specialSchemas.jsonSchemaPropsOrBool:
    case specialSchemas.jsonSchemaPropsOrStringArray:
      return zeroNull;
    default:
      return () => decode(null, { odd: false });
  }
  switch (type.type) {
    case 'string':
      return type.format === 'byte' ? zeroNull : () => '';
    case 'boolean':
      return () => false;
    case 'integer':
    case 'number':
      return () => 0;
    default:
      return zeroNull;
  }
}

const zeroNull = () => null;
export const isNull = (value: unknown) => value === null;

export function emptinessOf(type: SchemaType): (value: unknown) => boolean {
  switch (type.type) {
    case 'string':
      return (value) => value === '';
    case 'boolean':
      return (value) => value === false;
    case 'integer':
    case 'number':
      return (value) => value === 0;
    case 'array':
      return (value) => (value as unknown[]).length === 0;
    case 'object':
      return (value) => {
        for (const _ in value as object) return false;
        return true;
      };
    default:
      return isNull;
  }
}
