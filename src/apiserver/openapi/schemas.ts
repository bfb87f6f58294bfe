/** OpenAPI schemas of kinds, made from facts: the dialects of v2 (definitions) and v3 (components) differ in how they refer. */
export interface SchemaFact {
  type?: string;
  ref?: string;
  format?: string;
  items?: SchemaFact;
  additionalProperties?: SchemaFact | boolean;
  fields?: Record<string, SchemaFact>;
  required?: boolean;
  enum?: string[];
  default?: unknown;
  listType?: string;
  listMapKeys?: string[];
  mapType?: string;
  patchStrategy?: string;
  patchMergeKey?: string;
  unions?: unknown;
  intOrString?: boolean;
  groupVersionKind?: string[];
}

export type Dialect = 'v2' | 'v3';
type Schema = Record<string, any>;

const refPrefix: Record<Dialect, string> = { v2: '#/definitions/', v3: '#/components/schemas/' };

export function refTo(dialect: Dialect, name: string): Schema {
  return { $ref: refPrefix[dialect] + name };
}

/** One schema by its facts. */
export function toSchema(fact: SchemaFact, dialect: Dialect): Schema {
  if (fact.intOrString)
    return dialect === 'v2'
      ? { type: 'string', format: 'int-or-string' }
      : { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] };
  const schema: Schema = {};
  if (fact.type) schema['type'] = fact.type;
  if (fact.format) schema['format'] = fact.format;
  if (fact.enum) schema['enum'] = fact.enum;
  if (fact.default !== undefined) schema['default'] = fact.default;
  if (fact.items) schema['items'] = toSchema(fact.items, dialect);
  if (typeof fact.additionalProperties === 'object')
    schema['additionalProperties'] = toSchema(fact.additionalProperties, dialect);
  if (fact.fields) {
    const fields = Object.entries(fact.fields);
    schema['properties'] = Object.fromEntries(fields.map(([name, f]) => [name, toSchema(f, dialect)]));
    const required = fields.filter(([, f]) => f.required).map(([name]) => name);
    if (required.length > 0) schema['required'] = required.sort();
  }
  if (fact.groupVersionKind) schema['x-kubernetes-group-version-kind'] = fact.groupVersionKind.map(parseGvk);
  extension(schema, 'list-map-keys', fact.listMapKeys);
  extension(schema, 'list-type', fact.listType);
  extension(schema, 'map-type', fact.mapType);
  extension(schema, 'patch-merge-key', fact.patchMergeKey);
  extension(schema, 'patch-strategy', fact.patchStrategy);
  extension(schema, 'unions', fact.unions);
  if (!fact.ref) return schema;
  const ref = refTo(dialect, fact.ref);
  if (dialect === 'v2') return { ...ref, ...withoutDefault(schema) };
  return Object.keys(schema).length === 0 ? ref : { ...schema, allOf: [ref] };
}

/** The names, and those they refer to, and so on. */
export function closure(names: Iterable<string>, factOf: (name: string) => SchemaFact | undefined): Set<string> {
  const found = new Set<string>();
  const visit = (fact: SchemaFact) => {
    if (fact.ref) add(fact.ref);
    if (fact.items) visit(fact.items);
    if (typeof fact.additionalProperties === 'object') visit(fact.additionalProperties);
    if (fact.fields) for (const field of Object.values(fact.fields)) visit(field);
  };
  const add = (name: string) => {
    const fact = factOf(name);
    if (!fact || found.has(name)) return;
    found.add(name);
    visit(fact);
  };
  for (const name of names) add(name);
  return found;
}

/** `apps/v1/Deployment`, `/v1/Pod` */
function parseGvk(text: string): object {
  const [group = '', version = '', kind = ''] = text.split('/');
  return { group, kind, version };
}

function extension(schema: Schema, name: string, value: unknown): void {
  if (value !== undefined) schema[`x-kubernetes-${name}`] = value;
}

function withoutDefault({ default: _, ...rest }: Schema): Schema {
  return rest;
}
