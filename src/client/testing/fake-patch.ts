import { isJsonObject, type JsonObject } from '#apimachinery/json-value.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { applyJsonPatch } from '#apimachinery/patch/json-patch.ts';
import { applyMergePatch } from '#apimachinery/patch/merge-patch.ts';
import type { PatchType } from '../client.ts';

/**
 * The patched object. Strategic merge and apply are merge patches here, but for conditions, which merge by type: the
 * one list that components patch.
 */
export function applyPatch(object: KubeObject, type: PatchType, patch: unknown): KubeObject {
  const target = object as unknown as JsonObject;
  if (type === 'application/json-patch+json') return asObject(applyJsonPatch(target, patch));
  if (type === 'application/merge-patch+json') return asObject(applyMergePatch(target, patch));
  const patched = asObject(applyMergePatch(target, patch));
  const conditions = isJsonObject(patch) && isJsonObject(patch['status']) ? patch['status']['conditions'] : undefined;
  if (Array.isArray(conditions)) {
    patched['status'].conditions = mergeByType(object['status']?.conditions ?? [], conditions as Condition[]);
  }
  return patched;
}

interface Condition {
  type: string;
}

function mergeByType(old: Condition[], patch: Condition[]): Condition[] {
  const result = [...old];
  for (const condition of patch) {
    const at = result.findIndex((c) => c.type === condition.type);
    if (at < 0) result.push(condition);
    else result[at] = { ...result[at], ...condition };
  }
  return structuredClone(result);
}

function asObject(value: JsonObject): KubeObject {
  return value as unknown as KubeObject;
}
