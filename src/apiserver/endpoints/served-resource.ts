import { formatGroupVersion } from '#apimachinery/group-version.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { TableColumnDefinition, TableRow } from '#apimachinery/table/table.ts';
import type { ResourceInfo } from '#apis/kind.ts';
import type { Scheme } from '#apis/scheme.ts';
import type { Clock } from '#base/clock.ts';
import { encodedHead } from '../registry/codec.ts';
import { fromStorageVersion, isStorageVersion, toStorageVersion } from '../registry/conversion.ts';
import type { Registry, ResourceRegistry } from '../registry/registry.ts';

/** One version of one resource, with what its endpoints need of it at every request. */
export interface ServedResource {
  readonly info: ResourceInfo;
  readonly scheme: Scheme;
  /** Undefined: reviews and other things that are not stored. */
  readonly registry: ResourceRegistry | undefined;
  /** Entries' bytes can be sent as they are. */
  readonly isStored: boolean;
  /** What every entry's bytes start with: `{"kind":"Pod","apiVersion":"v1",`. */
  readonly entryHead: Buffer;
  readonly columns: readonly TableColumnDefinition[];
  /** In place, from the stored to this version. */
  toServed(object: KubeObject): KubeObject;
  /** In place, defaulted, to the stored version. */
  toStored(object: KubeObject): KubeObject;
  tableRow(object: KubeObject, nowMs: number): Omit<TableRow, 'object'>;
  nowMs(): number;
}

export function createServedResource(registry: Registry, info: ResourceInfo, clock: Clock): ServedResource {
  const scheme = registry.scheme;
  const definition = scheme.kind(info);
  const strategy = scheme.strategy(info.group, info.resource);
  const storage = info.storage ?? info;
  let columns: TableColumnDefinition[] | undefined;
  return {
    info,
    scheme,
    registry: info.storage ? registry.resource(info.group, info.resource) : undefined,
    isStored: isStorageVersion(info),
    entryHead: encodedHead(storage.kind, formatGroupVersion(storage)),
    get columns() {
      columns ??= scheme
        .columns(info.group, info.resource)
        .map((column) => ({ ...column, description: descriptionOf(column.name) }));
      return columns;
    },
    toServed: (object) => fromStorageVersion(scheme, info, object),
    toStored(object) {
      definition?.setDefaults?.(object);
      return toStorageVersion(scheme, info, object);
    },
    tableRow(object, nowMs) {
      const cells = strategy.tableRow?.(object, nowMs);
      const conditions = strategy.tableRowConditions?.(object) ?? [];
      return {
        cells: cells ?? [object.metadata.name ?? '', object.metadata.creationTimestamp ?? null],
        ...(conditions.length > 0 ? { conditions } : {}),
      };
    },
    nowMs: () => clock.now(),
  };
}

/** Upstream takes these from the API's documentation, which clients never act on. */
function descriptionOf(column: string): string {
  return column === 'Name' ? 'Name of the object, unique within its namespace.' : '';
}
