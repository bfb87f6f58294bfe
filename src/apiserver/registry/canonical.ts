import type { KubeObject } from '#apimachinery/object.ts';
import { decodeObject } from '#apimachinery/schema/decode.ts';
import type { Resource } from './resource-registry.ts';

/**
 * The object as it is printed: fields in Go's order, what is always there with its zero value, what is empty left out.
 * Strategies and admission plugins set fields wherever they come; after this nobody can tell.
 */
export function canonical(resource: Resource, object: KubeObject): KubeObject {
  const { scheme } = resource.options;
  const storage = resource.info.storage!;
  const schema = scheme.schemaName(storage);
  if (schema === undefined) return object;
  const { kind, apiVersion, metadata, ...rest } = decodeObject(scheme.schemas, schema, object).object;
  return { kind, apiVersion, metadata: metadata ?? {}, ...rest };
}
