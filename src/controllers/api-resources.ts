/** What the API serves, by aggregated discovery: for the controllers that work on every resource there is. */
import { formatGroupVersion, type GroupVersionResource, parseGroupVersion } from '#apimachinery/group-version.ts';
import type { ApiClient } from '#client/client.ts';

export interface ServedResource extends GroupVersionResource {
  kind: string;
  namespaced: boolean;
  verbs: string[];
}

export interface Discovery {
  /** Each in the most preferred version of its group that has it; no subresources, nothing twice. */
  resources: ServedResource[];
  /** `group/version` whose server did not answer: what it holds is not known. */
  stale: string[];
}

interface GroupDiscovery {
  metadata: { name?: string };
  versions: { version: string; freshness?: string; resources?: ResourceDiscovery[] }[];
}

interface ResourceDiscovery {
  resource: string;
  scope: 'Namespaced' | 'Cluster';
  responseKind?: { kind: string };
  verbs: string[];
}

const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

export async function discover(client: ApiClient): Promise<Discovery> {
  const answers = await Promise.all(
    ['/api', '/apis'].map((path) => client.raw('GET', path, { headers: { accept: `${accept},application/json` } })),
  );
  const groups = answers.flatMap((answer) => (JSON.parse(answer.body) as { items: GroupDiscovery[] }).items);
  const resources: ServedResource[] = [];
  const stale: string[] = [];
  for (const group of groups) {
    const name = group.metadata.name ?? '';
    const seen = new Set<string>();
    for (const { version, freshness, resources: listed = [] } of group.versions) {
      if (freshness === 'Stale') stale.push(formatGroupVersion({ group: name, version }));
      for (const { resource, scope, responseKind, verbs } of listed) {
        if (!responseKind || seen.has(resource) || isAlias(name, resource)) continue;
        seen.add(resource);
        const namespaced = scope === 'Namespaced';
        resources.push({ group: name, version, resource, kind: responseKind.kind, namespaced, verbs });
      }
    }
  }
  return { resources, stale };
}

/** The same stored objects under a second name: they are worked on under the first. */
function isAlias(group: string, resource: string): boolean {
  return group === 'events.k8s.io' && resource === 'events';
}

export function groupKindOf(apiVersion: string, kind: string): string {
  return `${parseGroupVersion(apiVersion).group}/${kind}`;
}
