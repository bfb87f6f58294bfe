/**
 * The scheme: everything the server knows of its built-in types. The rows come from facts/, what facts cannot say from
 * the kinds' own files (built-in-kinds.ts lists them). Nothing here changes after start-up; maps are built on first use.
 */
import { formatGroupVersion, type GroupVersionKind, parseGroupVersion } from '#apimachinery/group-version.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { decodeObject } from '#apimachinery/schema/decode.ts';
import { SchemaSet } from '#apimachinery/schema/schema.ts';
import { type BuiltInKind, builtInKinds } from './built-in-kinds.ts';
import resourceFacts from './facts/resources.json' with { type: 'json' };
import schemaFacts from './facts/schema-facts.json' with { type: 'json' };
import { fieldLabels, selectableFieldsFromFacts } from './field-labels.ts';
import type { KindDefinition, ResourceInfo, Strategy } from './kind.ts';
import { nameRuleOf } from './name-rules.ts';
import { type Column, columnsOf, defaultRow, isDefaultTable } from './table-columns.ts';

export interface ApiGroup {
  name: string;
  /** In upstream's order: the preferred one first. */
  versions: string[];
  preferredVersion: string;
}

export interface Scheme {
  /** Every served resource, in upstream's discovery order. */
  resources(): readonly ResourceInfo[];
  resource(group: string, version: string, resource: string): ResourceInfo | undefined;
  byKind(group: string, version: string, kind: string): ResourceInfo | undefined;
  groups(): readonly ApiGroup[];
  /** Defaults and conversion of one served version; undefined: it needs none. */
  kind(gvk: GroupVersionKind): KindDefinition | undefined;
  /** Never undefined: a resource without code of its own lives by what facts say of it. */
  strategy(group: string, resource: string): Strategy;
  readonly schemas: SchemaSet;
  /** OpenAPI name of any kind that has a schema (also options and reviews), `io.k8s.api.core.v1.Pod`. */
  schemaName(gvk: GroupVersionKind): string | undefined;
  /** Columns of the Table, in the order of `strategy.tableRow`'s cells. */
  columns(group: string, resource: string): readonly Column[];
  /** Field selector labels a client may use, and what each means in the storage version (mostly itself). */
  supportedFieldLabels(group: string, version: string, resource: string): ReadonlyMap<string, string>;
}

export function createScheme(kinds: readonly BuiltInKind[] = builtInKinds): Scheme {
  const infos = resourceInfos();
  const byResource = new Map(infos.map((info) => [keyOf(info.group, info.version, info.resource), info]));
  const byKind = new Map(infos.map((info) => [keyOf(info.group, info.version, info.kind), info]));
  const definitions = new Map<string, KindDefinition>();
  const ownStrategies = new Map<string, Strategy>();
  for (const { group, version, resource, definition, strategy } of kinds) {
    if (definition) definitions.set(keyOf(group, version, resource), definition);
    if (strategy) ownStrategies.set(`${group}/${resource}`, strategy);
  }
  const strategies = new Map<string, Strategy>();
  let groups: ApiGroup[] | undefined;

  return {
    schemas,
    schemaName,
    resources: () => infos,
    resource: (group, version, resource) => byResource.get(keyOf(group, version, resource)),
    byKind: (group, version, kind) => byKind.get(keyOf(group, version, kind)),
    groups: () => {
      groups ??= apiGroups(infos);
      return groups;
    },
    kind: ({ group, version, kind }) => {
      const info = byKind.get(keyOf(group, version, kind));
      return info && definitions.get(keyOf(group, version, info.resource));
    },
    strategy: (group, resource) => {
      const key = `${group}/${resource}`;
      let strategy = strategies.get(key);
      if (!strategy) {
        const info = infos.find((i) => i.group === group && i.resource === resource);
        // events.k8s.io/events are stored, and live, as core events.
        const own = ownStrategies.get(`${info?.storage?.group ?? group}/${resource}`) ?? {};
        strategy = completeStrategy(group, resource, info, own);
        strategies.set(key, strategy);
      }
      return strategy;
    },
    columns: columnsOf,
    supportedFieldLabels: fieldLabels,
  };
}

const schemas = new SchemaSet(schemaFacts);
let schemaNames: Map<string, string> | undefined;

function schemaName({ group, version, kind }: GroupVersionKind): string | undefined {
  if (!schemaNames) {
    schemaNames = new Map();
    for (const name of schemas.names())
      for (const gvk of schemas.get(name)?.groupVersionKind ?? []) schemaNames.set(gvk, name);
  }
  return schemaNames.get(keyOf(group, version, kind));
}

function keyOf(group: string, version: string, name: string): string {
  return `${group}/${version}/${name}`;
}

/** The facts' row of a resource or, with `subresource`, of one of its subresources. */
interface FactRow {
  group: string;
  version: string;
  resource: string;
  subresource?: string;
  kind?: string;
  singular?: string;
  shortNames?: string[];
  categories?: string[];
  namespaced: boolean;
  verbs: string[];
  preferredVersion: boolean;
  stage: string;
  defaultEnabled: boolean;
  etcdPrefix?: string | null;
  storageVersion?: string;
  storageKind?: string;
  storageVersionHash?: string;
  responseKind?: GroupVersionKind;
}

function resourceInfos(): ResourceInfo[] {
  const rows = (resourceFacts.resources as FactRow[]).filter((row) => row.stage === 'GA' && row.defaultEnabled);
  const infos = new Map<string, ResourceInfo>();
  for (const row of rows) {
    if (row.subresource !== undefined) continue;
    const { group, version, resource, namespaced, verbs, preferredVersion } = row;
    infos.set(keyOf(group, version, resource), {
      group,
      version,
      resource,
      kind: row.kind ?? '',
      singular: row.singular ?? '',
      namespaced,
      shortNames: row.shortNames ?? [],
      categories: row.categories ?? [],
      verbs,
      subresources: new Map(),
      schema: schemaName({ group, version, kind: row.kind ?? '' }) ?? '',
      storagePrefix: row.etcdPrefix ? `${row.etcdPrefix}/` : undefined,
      storage: storageOf(row, rows),
      storageVersionHash: row.storageVersionHash,
      preferredVersion,
    });
  }
  for (const { group, version, resource, subresource, verbs, responseKind } of rows) {
    if (subresource === undefined || responseKind === undefined) continue;
    infos
      .get(keyOf(group, version, resource))
      ?.subresources.set(subresource, { name: subresource, verbs, responseKind });
  }
  return [...infos.values()];
}

/**
 * What is written to the store. Upstream writes a few kinds in a version that it no longer serves (CustomResourceDefinition
 * in v1beta1); it reads every version, so we write the served one instead and have no unserved version to validate.
 */
function storageOf(row: FactRow, rows: readonly FactRow[]): ResourceInfo['storage'] {
  if (!row.etcdPrefix || !row.storageVersion || !row.storageKind) return undefined;
  const upstream = parseGroupVersion(row.storageVersion);
  const served = rows.some((r) => formatGroupVersion(r) === row.storageVersion && r.etcdPrefix === row.etcdPrefix);
  return { ...(served ? upstream : { group: row.group, version: row.version }), kind: row.storageKind };
}

function apiGroups(infos: readonly ResourceInfo[]): ApiGroup[] {
  const groups = new Map<string, ApiGroup>();
  for (const { group, version, preferredVersion } of infos) {
    const entry = groups.get(group) ?? { name: group, versions: [], preferredVersion: version };
    groups.set(group, entry);
    if (!entry.versions.includes(version)) entry.versions.push(version);
    if (preferredVersion) entry.preferredVersion = version;
  }
  return [...groups.values()];
}

function completeStrategy(group: string, resource: string, info: ResourceInfo | undefined, own: Strategy): Strategy {
  const fromFacts = info?.storage && selectableFieldsFromFacts(info.storage.group, info.storage.version, resource);
  const row = isDefaultTable(group, resource) ? defaultRow : undefined;
  return {
    nameRule: nameRuleOf(group, resource),
    hasStatus: info?.subresources.has('status') ?? false,
    ...(fromFacts ? { selectableFields: fromFacts } : {}),
    ...(row ? { tableRow: row } : {}),
    ...own,
    ...(info && hasZeroStatus(info) ? { prepareForCreate: withZeroStatus(info, own) } : {}),
  };
}

/** Whether the kind's JSON always has a status. */
function hasZeroStatus(info: ResourceInfo): boolean {
  return info.subresources.has('status') && schemas.get(info.schema)?.fields?.['status']?.omit === 'never';
}

/** A new object's status is what an API server prints for an empty one: `replicas: 0`, `conditions: null`. */
function withZeroStatus(info: ResourceInfo, own: Strategy): NonNullable<Strategy['prepareForCreate']> {
  let zero: unknown;
  return (object, requester) => {
    if (!own.keepsStatusAtCreation || object['status'] === undefined) {
      zero ??= decodeObject(schemas, info.schema, {}).object.status;
      object['status'] = structuredClone(zero);
    }
    own.prepareForCreate?.(object, requester);
  };
}

export const scheme: Scheme = createScheme();
