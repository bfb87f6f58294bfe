/**
 * What is wrong with a JSON value for a schema, in the words of upstream's decoder (sigs.k8s.io/json over Go's
 * encoding/json): the error that refuses it, or the fields it has no place for. Slow and careful; the fast pass
 * (decode.ts) calls it only when there is something to say.
 */
import { messageOf } from '#base/errors.ts';
import type { FloatLiterals } from '../json/json-scanner.ts';
import { canonicalQuantity } from '../quantity.ts';
import { normalizeMicroTime, normalizeTime } from '../time.ts';
import {
  elementOf,
  type GoContext,
  illegalBase64At,
  jsonKindOf,
  restoreError,
  unmarshalTypeError,
} from './go-words.ts';
import { goNameOf, type SchemaField, type SchemaSet, type SchemaType, specialSchemas } from './schema.ts';

/** A field of the wrong type. The message is upstream's, without what the endpoint puts before it. */
export class DecodeError extends Error {
  override name = 'DecodeError';
}

/**
 * `json`: Go's JSON decoder, for bodies and for merge and JSON patches. `unstructured`: the converter from generic maps
 * to Go structs, for strategic patches.
 */
export type DecodeWords = 'json' | 'unstructured';

/** As warnings and strict errors word it. */
export function unknownFieldText(path: string): string {
  return `unknown field ${JSON.stringify(path)}`;
}

export interface DecodeProblems {
  /** The first type error of the document; an error of a text type (time, quantity) goes before it, as in Go. */
  error: string | undefined;
  unknownFields: string[];
}

/** No more are reported. */
const unknownFieldsMax = 100;

export function findDecodeProblems(
  schemas: SchemaSet,
  schemaName: string,
  value: unknown,
  options: { path?: string; floatLiterals?: FloatLiterals | undefined; words?: DecodeWords } = {},
): DecodeProblems {
  const walk = new ProblemWalk(schemas, options.floatLiterals, options.words ?? 'json');
  const path = options.path ?? '';
  try {
    walk.visit({ ref: schemaName }, goNameOf(schemaName).name, value, path, {
      struct: '',
      fields: '',
      package: goNameOf(schemaName).package,
    });
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return { error: error.message, unknownFields: [] };
  }
  return { error: walk.error, unknownFields: [...walk.unknownFields] };
}

class ProblemWalk {
  error: string | undefined;
  readonly unknownFields = new Set<string>();
  readonly #schemas: SchemaSet;
  readonly #floatLiterals: FloatLiterals | undefined;
  readonly #words: DecodeWords;

  constructor(schemas: SchemaSet, floatLiterals: FloatLiterals | undefined, words: DecodeWords) {
    this.#schemas = schemas;
    this.#floatLiterals = floatLiterals;
    this.#words = words;
  }

  visit(type: SchemaType, go: string, value: unknown, path: string, context: GoContext): void {
    if (value === null || value === undefined) return;
    if (type.ref !== undefined) {
      this.#visitRef(type.ref, go, value, path, context);
      return;
    }
    switch (type.type) {
      case 'string':
        if (typeof value !== 'string') {
          this.#mismatch(value, 'scalar', go, context);
          return;
        }
        if (type.format === 'byte') this.#checkBytes(value);
        return;
      case 'boolean':
        if (typeof value !== 'boolean') this.#mismatch(value, 'scalar', go, context);
        return;
      case 'integer':
        this.#checkInteger(value, type.format === 'int32' ? 2 ** 31 : 2 ** 63, go, path, context);
        return;
      case 'number':
        if (typeof value !== 'number') this.#mismatch(value, 'scalar', go, context);
        return;
      case 'array':
        if (!Array.isArray(value)) {
          this.#mismatch(value, 'slice', go, context);
          return;
        }
        for (const [i, item] of value.entries()) {
          this.visit(type.items ?? {}, elementOf(go), item, `${path}[${i}]`, context);
        }
        return;
      case 'object':
        if (!type.additionalProperties) return;
        if (typeof value !== 'object' || Array.isArray(value)) {
          this.#mismatch(value, 'map', go, context);
          return;
        }
        for (const [key, item] of Object.entries(value)) {
          this.visit(type.additionalProperties, elementOf(go), item, join(path, key), context);
        }
    }
  }

  #visitRef(ref: string, go: string, value: unknown, path: string, context: GoContext): void {
    switch (ref) {
      case specialSchemas.time:
        this.#checkText(value, normalizeTime, context);
        return;
      case specialSchemas.microTime:
        this.#checkText(value, normalizeMicroTime, context);
        return;
      case specialSchemas.quantity:
        try {
          canonicalQuantity((typeof value === 'object' ? JSON.stringify(value) : String(value)).trim());
        } catch (error) {
          throw new DecodeError(messageOf(error));
        }
        return;
      case specialSchemas.intOrString:
        if (typeof value !== 'string') this.#checkInteger(value, 2 ** 31, 'int32', path, context, true);
        return;
      case specialSchemas.rawExtension:
      case specialSchemas.fieldsV1:
      case specialSchemas.patch:
      case specialSchemas.json:
      case specialSchemas.jsonSchemaPropsOrArray:
      case specialSchemas.jsonSchemaPropsOrBool:
      case specialSchemas.jsonSchemaPropsOrStringArray:
        return;
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.#mismatch(value, 'struct', go, context);
      return;
    }
    const { name: struct, package: goPackage } = goNameOf(ref);
    const fields: Record<string, SchemaField> = this.#schemas.get(ref)?.fields ?? {};
    for (const [key, item] of Object.entries(value)) {
      if (item === undefined) continue;
      const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
      if (!field) {
        if (this.unknownFields.size < unknownFieldsMax) this.unknownFields.add(join(path, key));
        continue;
      }
      this.visit(field, field.go, item, join(path, key), {
        struct,
        fields: join(context.fields, key),
        package: goPackage,
      });
    }
  }

  #checkInteger(value: unknown, limit: number, go: string, path: string, context: GoContext, atOnce = false): void {
    if (typeof value !== 'number') {
      this.#mismatch(value, 'scalar', go, context, atOnce);
      return;
    }
    const literal = this.#floatLiterals?.get(path);
    if (literal === undefined && Number.isInteger(value) && value >= -limit && value < limit) return;
    this.#report(unmarshalTypeError(`number ${literal ?? value}`, go, context), atOnce);
  }

  #checkText(value: unknown, normalize: (text: string) => string, context: GoContext): void {
    if (typeof value !== 'string') {
      this.#report(unmarshalTypeError(jsonKindOf(value), 'string', context), true);
      return;
    }
    try {
      normalize(value);
    } catch (error) {
      throw new DecodeError(messageOf(error));
    }
  }

  #checkBytes(text: string): void {
    const at = illegalBase64At(text);
    if (at !== undefined) this.#report(`illegal base64 data at input byte ${at}`);
  }

  #mismatch(
    value: unknown,
    target: 'struct' | 'map' | 'slice' | 'scalar',
    go: string,
    context: GoContext,
    atOnce = false,
  ): void {
    if (this.#words === 'unstructured') throw new DecodeError(restoreError(value, target, go, context.package));
    this.#report(unmarshalTypeError(jsonKindOf(value), go, context), atOnce);
  }

  /** Go goes on after a type error and tells the first; types that decode themselves end it at once. */
  #report(error: string, atOnce = false): void {
    if (atOnce) throw new DecodeError(error);
    this.error ??= error;
  }
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}
