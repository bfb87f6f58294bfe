import type { GroupVersionResource } from '#apimachinery/group-version.ts';

export interface FakeServedKind extends GroupVersionResource {
  kind: string;
  namespaced: boolean;
  verbs?: string[];
  /** Its server does not answer. */
  isStale?: boolean;
}

const allVerbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

/** The aggregated discovery document of the core group, or of all others. */
export function discoveryOf(served: readonly FakeServedKind[], isCore: boolean): object {
  const kinds = served.filter((s) => (s.group === '') === isCore);
  const groups = [...new Set(kinds.map((s) => s.group))];
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: 'apidiscovery.k8s.io/v2',
    metadata: {},
    items: groups.map((group) => ({
      metadata: group === '' ? {} : { name: group },
      versions: versionsOf(kinds.filter((s) => s.group === group)),
    })),
  };
}

function versionsOf(kinds: readonly FakeServedKind[]): object[] {
  return [...new Set(kinds.map((s) => s.version))].map((version) => {
    const ofVersion = kinds.filter((s) => s.version === version);
    if (ofVersion.some((s) => s.isStale)) return { version, freshness: 'Stale' };
    const resources = ofVersion.map(({ resource, kind, namespaced, verbs = allVerbs }) => ({
      resource,
      responseKind: { group: '', version: '', kind },
      scope: namespaced ? 'Namespaced' : 'Cluster',
      verbs,
    }));
    return { version, resources, freshness: 'Current' };
  });
}
