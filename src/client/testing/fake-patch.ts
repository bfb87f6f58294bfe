import type { KubeObject } from '#apimachinery/object.ts';

export interface JsonPatchOperation {
  op: 'add' | 'remove' | 'replace' | 'test';
  path: string;
  value?: unknown;
}

/** RFC 7386. Strategic and apply patches are treated alike by the fake, except that conditions merge by type. */
export function applyMergePatch(target: unknown, patch: unknown, field = ''): unknown {
  if (Array.isArray(patch) && Array.isArray(target) && field === 'conditions') return mergeByType(target, patch);
  if (!isRecord(patch)) return structuredClone(patch);
  const result: Record<string, unknown> = isRecord(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else if (!key.startsWith('$')) result[key] = applyMergePatch(result[key], value, key);
  }
  return structuredClone(result);
}

/** RFC 6902, without move and copy. */
export function applyJsonPatch(object: KubeObject, operations: readonly JsonPatchOperation[]): KubeObject {
  const result = structuredClone(object);
  for (const { op, path, value } of operations) {
    const steps = path
      .split('/')
      .slice(1)
      .map((s) => s.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = steps.pop()!;
    let at: any = result;
    for (const step of steps) at = at[step];
    if (op === 'test') {
      if (JSON.stringify(at[last]) !== JSON.stringify(value)) throw new Error(`test of ${path} failed`);
    } else if (op === 'remove') {
      if (Array.isArray(at)) at.splice(Number(last), 1);
      else delete at[last];
    } else if (Array.isArray(at) && op === 'add') at.splice(last === '-' ? at.length : Number(last), 0, value);
    else at[last] = structuredClone(value);
  }
  return result;
}

function mergeByType(target: any[], patch: any[]): any[] {
  const result = [...target];
  for (const item of patch) {
    const at = result.findIndex((t) => t.type === item.type);
    if (at < 0) result.push(item);
    else result[at] = { ...result[at], ...item };
  }
  return structuredClone(result);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
