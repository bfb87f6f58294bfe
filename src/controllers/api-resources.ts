/** What the API serves, by discovery: for the controllers that work on every resource there is. */
import { formatGroupVersion, type GroupVersionResource, parseGroupVersion } from '#apimachinery/group-version.ts';
import type { ApiClient } from '#client/client.ts';

export interface ServedResource extends GroupVersionResource {
  kind: string;
  namespaced: boolean;
  verbs: string[];
}

interface ApiResourceList {
  groupVersion: string;
  resources: { name: string; kind: string; namespaced: boolean; verbs: string[] }[];
}

/** In each group's preferred version; subresources left out. */
export async function servedResources(client: ApiClient): Promise<ServedResource[]> {
  const groups = JSON.parse((await client.raw('GET', '/apis')).body) as {
    groups: { preferredVersion: { groupVersion: string }; versions: { groupVersion: string }[] }[];
  };
  const paths = ['/api/v1', ...groups.groups.map((g) => `/apis/${g.preferredVersion.groupVersion}`)];
  const lists = await Promise.all(
    paths.map(async (path) => {
      try {
        return JSON.parse((await client.raw('GET', path)).body) as ApiResourceList;
      } catch {
        // An aggregated group whose server is away must not stop work on all the others.
        return undefined;
      }
    }),
  );
  return lists
    .filter((list) => list !== undefined)
    .flatMap((list) => {
      const { group, version } = parseGroupVersion(list.groupVersion);
      return list.resources
        .filter((r) => !r.name.includes('/'))
        .map((r) => ({ group, version, resource: r.name, kind: r.kind, namespaced: r.namespaced, verbs: r.verbs }));
    });
}

/** The same stored objects under two names (events in two groups) are worked on once. */
export function withoutAliases(resources: readonly ServedResource[]): ServedResource[] {
  return resources.filter((r) => !(r.group === 'events.k8s.io' && r.resource === 'events'));
}

export function groupVersionKindKey(apiVersion: string, kind: string): string {
  return `${formatGroupVersion(parseGroupVersion(apiVersion))}/${kind}`;
}
