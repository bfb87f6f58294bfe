/**
 * The schemas of all types, as facts/schema-facts.json lists them: fields in Go's order, when a field is left out of
 * JSON, how lists merge. Rooms ask by OpenAPI name; decoders compiled from a schema are cached per set (decode.ts).
 */
export interface SchemaFacts {
  schemas: Record<string, Schema>;
}

export interface Schema {
  type?: string;
  format?: string;
  /** In Go's order, which is the order of the JSON output. Absent: no fields, or a type of its own making. */
  fields?: Record<string, SchemaField>;
  groupVersionKind?: string[];
  mapType?: 'atomic' | 'granular';
  unions?: unknown[];
  oneOf?: string[];
  intOrString?: boolean;
  defaultServed?: boolean;
}

/** What a value is: a scalar, a list, a map, or a reference to a schema. */
export interface SchemaType {
  type?: 'string' | 'integer' | 'number' | 'boolean' | 'array' | 'object';
  format?: string;
  ref?: string;
  items?: SchemaType;
  additionalProperties?: SchemaType;
  enum?: string[];
}

export interface SchemaField extends SchemaType {
  required?: boolean;
  default?: unknown;
  listType?: 'atomic' | 'set' | 'map';
  listMapKeys?: string[];
  mapType?: 'atomic' | 'granular';
  /** `merge`, `replace`, `retainKeys` or `merge,retainKeys`. */
  patchStrategy?: string;
  patchMergeKey?: string;
  /** The Go type, as written in the Go package of the schema: a `*` can tell absent from zero. */
  go: string;
  /** never: always printed; empty: left out when zero or empty; zero: left out when zero. */
  omit: 'never' | 'empty' | 'zero';
  goStructValue?: boolean;
}

export class SchemaSet {
  readonly #schemas: Map<string, Schema>;

  constructor(facts: { schemas: Record<string, unknown> }) {
    this.#schemas = new Map(Object.entries(facts.schemas as Record<string, Schema>));
  }

  get(name: string): Schema | undefined {
    return this.#schemas.get(name);
  }

  names(): IterableIterator<string> {
    return this.#schemas.keys();
  }
}

/** `io.k8s.api.apps.v1.DeploymentSpec` is `DeploymentSpec` of Go package `v1`. */
export function goNameOf(schemaName: string): { name: string; package: string } {
  const parts = schemaName.split('.');
  return { name: parts.at(-1)!, package: parts.at(-2) ?? '' };
}

const apimachinery = 'io.k8s.apimachinery.pkg';
const apiextensions = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1';

/** Types whose JSON form is their own, not that of a Go struct. */
export const specialSchemas = {
  time: `${apimachinery}.apis.meta.v1.Time`,
  microTime: `${apimachinery}.apis.meta.v1.MicroTime`,
  quantity: `${apimachinery}.api.resource.Quantity`,
  intOrString: `${apimachinery}.util.intstr.IntOrString`,
  rawExtension: `${apimachinery}.runtime.RawExtension`,
  fieldsV1: `${apimachinery}.apis.meta.v1.FieldsV1`,
  patch: `${apimachinery}.apis.meta.v1.Patch`,
  json: `${apiextensions}.JSON`,
  jsonSchemaProps: `${apiextensions}.JSONSchemaProps`,
  jsonSchemaPropsOrArray: `${apiextensions}.JSONSchemaPropsOrArray`,
  jsonSchemaPropsOrBool: `${apiextensions}.JSONSchemaPropsOrBool`,
  jsonSchemaPropsOrStringArray: `${apiextensions}.JSONSchemaPropsOrStringArray`,
} as const;
