/** Pairs each change with a write that can have made it, no write twice: augmenting paths, after Kuhn. */

/**
 * `candidates[i]` are those of the change i. Every change is paired when that is possible; those that are not are
 * `lonely`. Preferred candidates are tried first.
 */
export function matchAll<T>(
  candidates: readonly (readonly T[])[],
  isPreferred: (candidate: T) => boolean,
): { pairs: Map<number, T>; lonely: number[] } {
  const takenBy = new Map<T, number>();
  const lonely: number[] = [];
  const ordered = candidates.map((all) => [...all.filter(isPreferred), ...all.filter((c) => !isPreferred(c))]);
  const place = (change: number, tried: Set<T>): boolean => {
    for (const candidate of ordered[change]!) {
      if (tried.has(candidate)) continue;
      tried.add(candidate);
      const other = takenBy.get(candidate);
      if (other === undefined || place(other, tried)) {
        takenBy.set(candidate, change);
        return true;
      }
    }
    return false;
  };
  for (const change of ordered.keys()) if (!place(change, new Set())) lonely.push(change);
  return { pairs: new Map([...takenBy].map(([candidate, change]) => [change, candidate])), lonely };
}

/** Those of `wanted` that cannot all have a change of their own at once. */
export function coverLeft<T>(wanted: readonly T[], candidates: readonly (readonly T[])[]): T[] {
  const changesOf = new Map<T, number[]>(wanted.map((w) => [w, []]));
  for (const [change, all] of candidates.entries()) for (const c of all) changesOf.get(c)?.push(change);
  const { lonely } = matchAll(
    wanted.map((w) => changesOf.get(w)!),
    () => true,
  );
  return lonely.map((i) => wanted[i]!);
}
