/**
 * What is wrong with a JSON value for a schema, in the words of upstream's decoder (sigs.k8s.io/json over Go's
 * encoding/json): the error that refuses it, or the fields it has no place for. Slow and careful; the fast pass
 * (decode.ts) calls it only when there is something to say.
 */
import { messageOf } from '#base/errors.ts';
import { canonicalQuantity } from '../quantity.ts';
import { normalizeMicroTime, normalizeTime } from '../time.ts';
import { goNameOf, type SchemaField, type SchemaSet, type SchemaType, specialSchemas } from './schema.ts';

/** A field of the wrong type. The message is upstream's, without what the endpoint puts before it. */
export class DecodeError extends Error {
  override name = 'DecodeError';
}

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
  path: string,
): DecodeProblems {
  const walk = new ProblemWalk(schemas);
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

/** Where Go's decoder stands: the innermost struct and the JSON names of the fields on the way, without indexes. */
interface GoContext {
  struct: string;
  fields: string;
  /** Go package that unqualified type names belong to. */
  package: string;
}

class ProblemWalk {
  error: string | undefined;
  readonly unknownFields = new Set<string>();
  readonly #schemas: SchemaSet;

  constructor(schemas: SchemaSet) {
    this.#schemas = schemas;
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
          this.#mismatch(value, go, context);
          return;
        }
        if (type.format === 'byte') this.#checkBytes(value);
        return;
      case 'boolean':
        if (typeof value !== 'boolean') this.#mismatch(value, go, context);
        return;
      case 'integer':
        this.#checkInteger(value, type.format === 'int32' ? 2 ** 31 : 2 ** 63, go, context);
        return;
      case 'number':
        if (typeof value !== 'number') this.#mismatch(value, go, context);
        return;
      case 'array':
        if (!Array.isArray(value)) {
          this.#mismatch(value, go, context);
          return;
        }
        for (const [i, item] of value.entries()) {
          this.visit(type.items ?? {}, elementOf(go), item, `${path}[${i}]`, context);
        }
        return;
      case 'object':
        if (!type.additionalProperties) return;
        if (typeof value !== 'object' || Array.isArray(value)) {
          this.#mismatch(value, go, context);
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
        if (typeof value !== 'string') this.#checkInteger(value, 2 ** 31, 'int32', context, true);
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
      this.#mismatch(value, go, context);
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

  #checkInteger(value: unknown, limit: number, go: string, context: GoContext, atOnce = false): void {
    if (typeof value !== 'number') {
      this.#mismatch(value, go, context, atOnce);
      return;
    }
    if (Number.isInteger(value) && value >= -limit && value < limit) return;
    this.#report(typeError(`number ${value}`, go, context), atOnce);
  }

  #checkText(value: unknown, normalize: (text: string) => string, context: GoContext): void {
    if (typeof value !== 'string') {
      this.#mismatch(value, 'string', context, true);
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

  #mismatch(value: unknown, go: string, context: GoContext, atOnce = false): void {
    this.#report(typeError(jsonKindOf(value), go, context), atOnce);
  }

  /** Go goes on after a type error and tells the first; types that decode themselves end it at once. */
  #report(error: string, atOnce = false): void {
    if (atOnce) throw new DecodeError(error);
    this.error ??= error;
  }
}

function typeError(what: string, go: string, context: GoContext): string {
  const type = goTypeText(go, context.package);
  return context.struct === ''
    ? `json: cannot unmarshal ${what} into Go value of type ${type}`
    : `json: cannot unmarshal ${what} into Go struct field ${context.struct}.${context.fields} of type ${type}`;
}

function jsonKindOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

/** `[]Container` and `map[string]Container` hold `Container`; a named list or map does not tell. */
function elementOf(go: string): string {
  const bare = go.replace(/^\*/, '');
  const match = /^(?:\[\]|map\[[^\]]*\])(.*)$/.exec(bare);
  return match ? match[1]! : 'string';
}

/** The type as Go prints it: `*DeploymentStrategy` is `v1.DeploymentStrategy`, `[]byte` is `[]uint8`. */
function goTypeText(go: string, goPackage: string): string {
  const bare = go.replace(/^\*/, '');
  const composite = /^(\[\]|map\[[^\]]*\])(.*)$/.exec(bare);
  if (composite) {
    const head = composite[1]!.replace(/^map\[(.*)\]$/, (_, key) => `map[${goTypeText(key, goPackage)}]`);
    return head + goTypeText(composite[2]!, goPackage);
  }
  if (bare === 'byte') return 'uint8';
  if (/^[a-z0-9]+$/.test(bare)) return bare;
  const dot = bare.indexOf('.');
  if (dot < 0) return `${goPackage}.${bare}`;
  const alias = bare.slice(0, dot);
  return `${alias === 'metav1' || alias === 'corev1' ? 'v1' : alias}${bare.slice(dot)}`;
}

/** The byte at which Go's decoder stops, line breaks counted. */
function illegalBase64At(text: string): number | undefined {
  let digits = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (char === '\n' || char === '\r') continue;
    if (char === '=') {
      const wanted = digits % 4 === 2 ? 2 : digits % 4 === 3 ? 1 : 0;
      const rest = text.slice(i).replace(/[\r\n]/g, '');
      if (wanted === 0) return i;
      if (rest.length < wanted) return text.length;
      if (!rest.startsWith('='.repeat(wanted))) return i + 1;
      return rest.length > wanted ? i + wanted : undefined;
    }
    if (!/[A-Za-z0-9+/]/.test(char)) return i;
    digits++;
  }
  return digits % 4 === 0 ? undefined : text.length - (digits % 4);
}
