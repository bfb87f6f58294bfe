/** `GET /`: every path there is something at. */
import facts from '#apis/facts/resources.json' with { type: 'json' };
import type { ApiRequest, ApiResponse } from '../request.ts';
import { apiGroups } from './api-groups.ts';
import type { DiscoverySource } from './discovery.ts';

export function createRootPaths(source: DiscoverySource, healthPaths: () => string[]) {
  return async (request: ApiRequest): Promise<ApiResponse | undefined> => {
    if (request.url.pathname !== '/') return undefined;
    const { core, groups } = apiGroups(source.resources());
    const paths = new Set([...facts.nonResourcePaths, ...healthPaths(), '/apis/']);
    for (const { version } of core?.versions ?? []) paths.add(`/api/${version}`);
    for (const group of groups) {
      paths.add(`/apis/${group.name}`);
      for (const { version } of group.versions) paths.add(`/apis/${group.name}/${version}`);
    }
    const body = JSON.stringify({ paths: [...paths].sort() }, undefined, 2);
    return { status: 200, headers: { 'content-type': 'application/json' }, body };
  };
}
