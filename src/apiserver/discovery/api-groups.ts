/**
 * Groups, versions and resources as discovery lists them: groups by the priorities of their APIServices, versions by
 * theirs, resources by name with their subresources behind them. Built-in priorities are facts; a group without any
 * comes last, by name (custom resources).
 */

import apiservices from '#apis/facts/bootstrap/apiservices.json' with { type: 'json' };
import type { ResourceInfo } from '#apis/kind.ts';

export interface ApiGroup {
  name: string;
  versions: { version: string; resources: ResourceInfo[] }[];
  preferredVersion: string;
}

/** Groups of all resources, without the core group; that one is `coreVersions`. */
export function apiGroups(resources: Iterable<ResourceInfo>): { core: ApiGroup | undefined; groups: ApiGroup[] } {
  const byGroup = new Map<string, Map<string, ResourceInfo[]>>();
  for (const info of resources) {
    const versions = byGroup.get(info.group) ?? new Map<string, ResourceInfo[]>();
    byGroup.set(info.group, versions);
    const list = versions.get(info.version);
    if (list) list.push(info);
    else versions.set(info.version, [info]);
  }
  const groups = [...byGroup].map(([name, versions]): ApiGroup => {
    const sorted = [...versions].map(([version, list]) => ({
      version,
      resources: list.sort((a, b) => compareText(a.resource, b.resource)),
    }));
    sorted.sort(
      (a, b) =>
        versionPriority(name, b.version) - versionPriority(name, a.version) || compareVersions(a.version, b.version),
    );
    return { name, versions: sorted, preferredVersion: sorted[0]!.version };
  });
  groups.sort((a, b) => {
    const [x, y] = [groupPriority(a.name), groupPriority(b.name)];
    return x === y ? compareText(a.name, b.name) : y > x ? 1 : -1;
  });
  return { core: groups.find((g) => g.name === ''), groups: groups.filter((g) => g.name !== '') };
}

const priorities = new Map<string, { group: number; versions: Map<string, number> }>();
for (const { spec } of apiservices.items as {
  spec: { group?: string; version: string; groupPriorityMinimum: number; versionPriority: number };
}[]) {
  const entry = priorities.get(spec.group ?? '') ?? { group: 0, versions: new Map<string, number>() };
  priorities.set(spec.group ?? '', entry);
  entry.group = Math.max(entry.group, spec.groupPriorityMinimum);
  entry.versions.set(spec.version, spec.versionPriority);
}

/** What upstream gives groups of custom resources. */
const customGroupPriority = 1000;

/** The group of APIServices itself has none, and stands before all. */
const aggregatorGroup = 'apiregistration.k8s.io';

function groupPriority(group: string): number {
  if (group === aggregatorGroup) return Number.POSITIVE_INFINITY;
  return priorities.get(group)?.group ?? customGroupPriority;
}

function versionPriority(group: string, version: string): number {
  return priorities.get(group)?.versions.get(version) ?? 0;
}

/** Kubernetes' order of versions: GA before beta before alpha, higher before lower, odd names last. */
export function compareVersions(a: string, b: string): number {
  const [x, y] = [parse(a), parse(b)];
  if (!x || !y) return x ? -1 : y ? 1 : compareText(a, b);
  return y.stage - x.stage || y.major - x.major || y.minor - x.minor;
}

function parse(version: string): { stage: number; major: number; minor: number } | undefined {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
  if (!match) return undefined;
  const stage = match[2] === undefined ? 2 : match[2] === 'beta' ? 1 : 0;
  return { stage, major: Number(match[1]), minor: Number(match[3] ?? 0) };
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
