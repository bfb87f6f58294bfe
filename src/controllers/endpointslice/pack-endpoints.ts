import { type Endpoint, isSameEndpoint } from './slice.ts';

/** Upstream's default; the API's own limit is ten times that. */
export const maxEndpointsPerSlice = 100;

export interface Packing<S> {
  create: Endpoint[][];
  update: { slice: S; endpoints: Endpoint[] }[];
  remove: S[];
}

/**
 * Which endpoints go into which slice, with as few writes as possible, for each write is sent to every node. Who is in
 * a slice stays there; who is new goes first into slices that change anyway, then into the fullest that has room for
 * all of them, then into new ones. Slices left empty go. All slices must be of one address type and one set of ports.
 */
export function packEndpoints<S extends { endpoints?: Endpoint[] }>(
  slices: readonly S[],
  wanted: readonly Endpoint[],
  max: number = maxEndpointsPerSlice,
): Packing<S> {
  const missing = new Map(wanted.map((endpoint) => [idOf(endpoint), endpoint]));
  const kept: { slice: S; endpoints: Endpoint[]; isChanged: boolean }[] = [];
  const remove: S[] = [];
  for (const slice of slices) {
    let isChanged = false;
    const endpoints: Endpoint[] = [];
    for (const endpoint of slice.endpoints ?? []) {
      const now = missing.get(idOf(endpoint));
      missing.delete(idOf(endpoint));
      if (now) endpoints.push(now);
      if (!now || !isSameEndpoint(now, endpoint)) isChanged = true;
    }
    if (endpoints.length > 0) kept.push({ slice, endpoints, isChanged });
    else remove.push(slice);
  }

  const left = [...missing.values()];
  // A slice that lost all of its own is as good as a new one, and costs one write in place of two.
  while (left.length > 0 && remove.length > 0) {
    kept.push({ slice: remove.shift()!, endpoints: left.splice(0, max), isChanged: true });
  }
  for (const entry of kept) {
    if (!entry.isChanged || left.length === 0) continue;
    entry.endpoints.push(...left.splice(0, Math.max(0, max - entry.endpoints.length)));
  }
  const create: Endpoint[][] = [];
  while (left.length > max) create.push(left.splice(0, max));
  if (left.length > 0) {
    const roomy = kept
      .filter((e) => e.endpoints.length + left.length <= max)
      .sort((a, b) => b.endpoints.length - a.endpoints.length)[0];
    if (roomy) {
      roomy.endpoints.push(...left);
      roomy.isChanged = true;
    } else create.push(left);
  }
  return { create, update: kept.filter((e) => e.isChanged), remove };
}

function idOf(endpoint: Endpoint): string {
  return `${endpoint.targetRef?.uid ?? ''} ${endpoint.addresses[0]}`;
}
