/** What of an update through a subresource is taken: the part that the subresource is, all else stays as it was. */
import type { FieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { Strategy } from '#apis/kind.ts';

export function mergeSubresource(
  strategy: Strategy,
  subresource: string,
  object: KubeObject,
  old: KubeObject,
): KubeObject {
  switch (subresource) {
    case '':
      return strategy.hasStatus ? withStatus(object, old['status']) : object;
    case 'finalize':
      return withStatus(object, old['status']);
    case 'status':
    case 'approval':
      return { ...old, metadata: statusMetadata(object, old), status: object['status'] };
    case 'ephemeralcontainers':
      return { ...old, spec: withField(old['spec'], 'ephemeralContainers', object['spec']?.ephemeralContainers) };
    case 'resize':
      return { ...old, spec: resized(object['spec'], old['spec']) };
    default:
      return object;
  }
}

export function validateSubresource(
  strategy: Strategy,
  subresource: string,
  object: KubeObject,
  old: KubeObject,
): FieldError[] {
  if (subresource === 'status' || subresource === 'approval') return strategy.validateStatusUpdate?.(object, old) ?? [];
  if (subresource === '') return strategy.validateUpdate?.(object, old) ?? [];
  return strategy.validateSubresource?.[subresource]?.(object, old) ?? [];
}

function withStatus(object: KubeObject, status: unknown): KubeObject {
  return withField(object, 'status', status) as KubeObject;
}

function withField(source: Record<string, unknown>, field: string, value: unknown): Record<string, unknown> {
  const { [field]: _dropped, ...rest } = source;
  return value === undefined ? rest : { ...rest, [field]: value };
}

/** Whoever writes a status may annotate, but not give the object another owner. */
function statusMetadata(object: KubeObject, old: KubeObject): KubeObject['metadata'] {
  const { ownerReferences: _owners, ...metadata } = object.metadata;
  const owners = old.metadata.ownerReferences;
  return owners ? { ...metadata, ownerReferences: owners } : metadata;
}

interface Container {
  name: string;
  resources?: unknown;
  resizePolicy?: unknown;
}

function resized(spec: KubeObject[string], old: KubeObject[string]): unknown {
  const wanted = new Map(((spec?.containers ?? []) as Container[]).map((c) => [c.name, c]));
  const containers = (old.containers as Container[]).map((container) => {
    const { resources, resizePolicy } = wanted.get(container.name) ?? container;
    return { ...container, ...(resources ? { resources } : {}), ...(resizePolicy ? { resizePolicy } : {}) };
  });
  return { ...old, containers };
}
