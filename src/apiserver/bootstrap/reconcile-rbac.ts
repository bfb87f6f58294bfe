/**
 * The built-in roles and bindings after an upgrade or an accident: what is missing is added, what an administrator added
 * stays. The annotation rbac.authorization.kubernetes.io/autoupdate=false keeps an object as it is.
 */
import { isDeepStrictEqual } from 'node:util';
import type { KubeObject } from '#apimachinery/object.ts';
import { missingRules, type PolicyRule } from '../authorization/rbac-rule.ts';

const autoUpdateAnnotation = 'rbac.authorization.kubernetes.io/autoupdate';

/** Undefined: nothing is missing. `existing` may be changed. */
export function reconcileRbac(existing: KubeObject, wanted: KubeObject): KubeObject | undefined {
  if (existing.metadata.annotations?.[autoUpdateAnnotation] === 'false') return undefined;
  let changed = mergeInto(existing, wanted, 'labels');
  changed = mergeInto(existing, wanted, 'annotations') || changed;
  if (existing.kind.endsWith('Role')) changed = addRules(existing, wanted) || changed;
  else if (isDeepStrictEqual(existing['roleRef'], wanted['roleRef']))
    changed = addSubjects(existing, wanted) || changed;
  return changed ? existing : undefined;
}

/** The wanted labels and annotations are there; others stay. */
function mergeInto(existing: KubeObject, wanted: KubeObject, field: 'labels' | 'annotations'): boolean {
  const own = existing.metadata[field] ?? {};
  const missing = Object.entries(wanted.metadata[field] ?? {}).filter(([key]) => own[key] === undefined);
  if (missing.length === 0) return false;
  existing.metadata[field] = { ...own, ...Object.fromEntries(missing) };
  return true;
}

function addRules(existing: KubeObject, wanted: KubeObject): boolean {
  if (wanted['aggregationRule']) return false;
  const rules: PolicyRule[] = existing['rules'] ?? [];
  const missing = missingRules(rules, wanted['rules'] ?? []);
  if (missing.length === 0) return false;
  existing['rules'] = [...rules, ...missing];
  return true;
}

function addSubjects(existing: KubeObject, wanted: KubeObject): boolean {
  const subjects: unknown[] = existing['subjects'] ?? [];
  const missing = ((wanted['subjects'] ?? []) as unknown[]).filter(
    (subject) => !subjects.some((s) => isDeepStrictEqual(s, subject)),
  );
  if (missing.length === 0) return false;
  existing['subjects'] = [...subjects, ...missing];
  return true;
}
