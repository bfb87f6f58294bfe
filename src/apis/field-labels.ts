/** Field selectors: which labels each resource takes, from facts/field-selectors.json, and where their values stand. */
import type { KubeObject } from '#apimachinery/object.ts';
import facts from './facts/field-selectors.json' with { type: 'json' };

/** Label a client may use → label of the storage version (`regarding.name` → `involvedObject.name`). */
export function fieldLabels(group: string, version: string, resource: string): ReadonlyMap<string, string> {
  return table().get(`${group}/${version}/${resource}`) ?? defaultLabels;
}

/**
 * The fields of a resource whose labels are simply paths. Undefined when it has none beyond name and namespace.
 * Kinds whose labels are not paths (`status.podIP`, `source`) bring their own function.
 */
export function selectableFieldsFromFacts(
  group: string,
  version: string,
  resource: string,
): ((object: KubeObject) => Record<string, string>) | undefined {
  const paths: [label: string, path: string[]][] = [];
  for (const [label, meaning] of fieldLabels(group, version, resource))
    if (label === meaning && !label.startsWith('metadata.')) paths.push([label, label.split('.')]);
  if (paths.length === 0) return undefined;
  return (object) => {
    const fields: Record<string, string> = {};
    for (const [label, path] of paths) fields[label] = textAt(object, path);
    return fields;
  };
}

function textAt(object: KubeObject, path: readonly string[]): string {
  let value: unknown = object;
  for (const step of path) value = (value as Record<string, unknown> | undefined | null)?.[step];
  return value === undefined || value === null ? '' : String(value);
}

interface FactRow {
  group: string;
  version: string;
  resource: string;
  labels: string[];
  renamedTo?: Record<string, string>;
}

const defaultLabels = new Map(facts.default.map((label) => [label, label]));
let cached: Map<string, Map<string, string>> | undefined;

function table(): Map<string, Map<string, string>> {
  if (cached) return cached;
  cached = new Map();
  for (const { group, version, resource, labels, renamedTo } of facts.resources as FactRow[])
    cached.set(`${group}/${version}/${resource}`, new Map(labels.map((l) => [l, renamedTo?.[l] ?? l])));
  return cached;
}
