/** The documents of discovery, from the sorted groups: legacy (one each) and aggregated (all at once). */
import { formatGroupVersion } from '#apimachinery/group-version.ts';
import type { ResourceInfo, SubresourceInfo } from '#apis/kind.ts';
import type { ApiGroup } from './api-groups.ts';

export function apiVersionsDocument(serverAddress: string): object {
  return {
    kind: 'APIVersions',
    versions: ['v1'],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
  };
}

export function apiGroupListDocument(groups: readonly ApiGroup[]): object {
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map(groupFields) };
}

export function apiGroupDocument(group: ApiGroup): object {
  return { kind: 'APIGroup', apiVersion: 'v1', ...groupFields(group) };
}

function groupFields(group: ApiGroup): object {
  const entry = (version: string) => ({ groupVersion: `${group.name}/${version}`, version });
  return {
    name: group.name,
    versions: group.versions.map((v) => entry(v.version)),
    preferredVersion: entry(group.preferredVersion),
  };
}

/** `/api/v1`'s list has no apiVersion of its own, as upstream's. */
export function apiResourceListDocument(group: string, version: string, resources: readonly ResourceInfo[]): object {
  return {
    kind: 'APIResourceList',
    ...(group === '' ? {} : { apiVersion: 'v1' }),
    groupVersion: formatGroupVersion({ group, version }),
    resources: resources.flatMap((info) => [
      resourceRow(info),
      ...sortedSubresources(info).map((s) => subresourceRow(info, s)),
    ]),
  };
}

function resourceRow(info: ResourceInfo): object {
  return {
    name: info.resource,
    singularName: info.singular,
    namespaced: info.namespaced,
    kind: info.kind,
    verbs: info.verbs,
    ...namesOf(info),
    ...(info.storageVersionHash ? { storageVersionHash: info.storageVersionHash } : {}),
  };
}

function subresourceRow(info: ResourceInfo, subresource: SubresourceInfo): object {
  const { group, version, kind } = subresource.responseKind;
  const isForeign = group !== info.group || version !== info.version;
  return {
    name: `${info.resource}/${subresource.name}`,
    singularName: '',
    namespaced: info.namespaced,
    ...(isForeign ? { ...(group === '' ? {} : { group }), version } : {}),
    kind,
    verbs: subresource.verbs,
  };
}

export function aggregatedDocument(groups: readonly ApiGroup[]): object {
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: 'apidiscovery.k8s.io/v2',
    metadata: {},
    items: groups.map((group) => ({
      metadata: group.name === '' ? {} : { name: group.name },
      versions: group.versions.map(({ version, resources }) => ({
        version,
        resources: resources.map(resourceDiscovery),
        freshness: 'Current',
      })),
    })),
  };
}

function resourceDiscovery(info: ResourceInfo): object {
  const subresources = sortedSubresources(info).map((s) => ({
    subresource: s.name,
    responseKind: ownOrForeign(info, s.responseKind),
    verbs: s.verbs,
  }));
  return {
    resource: info.resource,
    responseKind: { group: '', version: '', kind: info.kind },
    scope: info.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: info.singular,
    verbs: info.verbs,
    ...namesOf(info),
    ...(subresources.length > 0 ? { subresources } : {}),
  };
}

/** Group and version are left empty where they are the list's own. */
function ownOrForeign(info: ResourceInfo, kind: SubresourceInfo['responseKind']): object {
  return kind.group === info.group && kind.version === info.version
    ? { group: '', version: '', kind: kind.kind }
    : kind;
}

function namesOf(info: ResourceInfo): object {
  return {
    ...(info.shortNames.length > 0 ? { shortNames: info.shortNames } : {}),
    ...(info.categories.length > 0 ? { categories: info.categories } : {}),
  };
}

function sortedSubresources(info: ResourceInfo): SubresourceInfo[] {
  return [...info.subresources.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}
