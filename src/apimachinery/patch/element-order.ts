/**
 * Where the elements of a merged list stand. Those the patch names keep the patch's order, the others the order they
 * had; the two are interleaved so that neighbours stay neighbours where both orders allow it. What is new, and so has
 * no place in the old list, comes as early as it can: patch [w] onto [x, y] gives [w, x, y].
 */
import type { JsonObject } from '../json-value.ts';

/** `mergeKey` '' is for lists of scalars. */
export function mergedOrder<T>(
  merged: readonly T[],
  patchOrder: readonly unknown[],
  serverOrder: readonly unknown[],
  mergeKey: string,
): T[] {
  const identity = (item: unknown) => (mergeKey === '' ? item : (item as JsonObject | null)?.[mergeKey]);
  const patchPlaces = placesOf(patchOrder, identity);
  const serverPlaces = placesOf(serverOrder, identity);
  const placed = (places: Map<unknown, number>, item: T) => places.get(identity(item)) ?? -1;

  const patched = merged.filter((item) => patchPlaces.has(identity(item)));
  const others = merged.filter((item) => !patchPlaces.has(identity(item)));
  patched.sort((a, b) => placed(patchPlaces, a) - placed(patchPlaces, b));
  others.sort((a, b) => placed(serverPlaces, a) - placed(serverPlaces, b));

  const out: T[] = [];
  let i = 0;
  let j = 0;
  while (i < others.length && j < patched.length) {
    const other = placed(serverPlaces, others[i]!);
    const patch = placed(serverPlaces, patched[j]!);
    if (other >= 0 && patch >= 0 && other < patch) out.push(others[i++]!);
    else out.push(patched[j++]!);
  }
  return out.concat(others.slice(i), patched.slice(j));
}

function placesOf(list: readonly unknown[], identity: (item: unknown) => unknown): Map<unknown, number> {
  const places = new Map<unknown, number>();
  for (const [i, item] of list.entries()) if (!places.has(identity(item))) places.set(identity(item), i);
  return places;
}
