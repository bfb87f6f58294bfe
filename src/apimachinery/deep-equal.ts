/** Equality of JSON values. A key that holds undefined counts as absent, because JSON would not carry it. */
export function deepEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    for (let i = 0; i < a.length; i++) if (!deepEqual(a[i], b[i])) return false;
    return true;
  }
  if (Array.isArray(b)) return false;
  return hasEqualKeys(a as Record<string, unknown>, b as Record<string, unknown>, deepEqual);
}

/**
 * Upstream's Semantic.DeepEqual: beyond that, nothing and empty are the same, be it null, absent, `[]` or `{}`.
 */
export function semanticDeepEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (isNothing(a)) return isNothing(b);
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    for (let i = 0; i < a.length; i++) if (!semanticDeepEqual(a[i], b[i])) return false;
    return true;
  }
  if (Array.isArray(b)) return false;
  return hasEqualKeys(a as Record<string, unknown>, b as Record<string, unknown>, semanticDeepEqual);
}

function hasEqualKeys(
  a: Record<string, unknown>,
  b: Record<string, unknown>,
  equal: (a: unknown, b: unknown) => boolean,
): boolean {
  for (const key in a) if (!equal(a[key], Object.hasOwn(b, key) ? b[key] : undefined)) return false;
  for (const key in b) if (!Object.hasOwn(a, key) && !equal(undefined, b[key])) return false;
  return true;
}

function isNothing(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  if (typeof value !== 'object') return false;
  for (const _ in value) return false;
  return true;
}
