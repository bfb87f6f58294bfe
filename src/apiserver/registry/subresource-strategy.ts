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
  if (subresource === '') {
    if (!strategy.hasStatus) return object;
    const { status: _status, ...rest } = object;
    return old['status'] === undefined ? (rest as KubeObject) : ({ ...rest, status: old['status'] } as KubeObject);
  }
  if (subresource === 'status' || subresource === 'approval') {
    const { ownerReferences: _owners, ...metadata } = object.metadata;
    const owners = old.metadata.ownerReferences;
    return {
      ...old,
      metadata: { ...metadata, ...(owners ? { ownerReferences: owners } : {}) },
      status: object['status'],
    };
  }
  return object;
}

export function validateSubresource(
  strategy: Strategy,
  subresource: string,
  object: KubeObject,
  old: KubeObject,
): FieldError[] {
  if (subresource === 'status' || subresource === 'approval') return strategy.validateStatusUpdate?.(object, old) ?? [];
  return subresource === '' ? (strategy.validateUpdate?.(object, old) ?? []) : [];
}
