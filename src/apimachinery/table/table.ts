/** The Table response of meta.k8s.io/v1: what `kubectl get` prints, cells made by the server. */
import type { KubeObject, ListMeta } from '../object.ts';
import { type PartialObjectMetadata, toPartialObjectMetadata } from '../partial-metadata.ts';

export interface TableColumnDefinition {
  name: string;
  type: string;
  format: string;
  description: string;
  /** 0: always shown; greater: only in wide output. */
  priority: number;
}

/** Which object goes with a row: Metadata when the client does not say. */
export type IncludeObject = 'None' | 'Metadata' | 'Object';

export interface TableRowCondition {
  type: string;
  status: string;
  reason: string;
  message: string;
}

export interface TableRow {
  cells: unknown[];
  /** What a client may show of the row as a whole: `Completed`. */
  conditions?: TableRowCondition[];
  object: PartialObjectMetadata | KubeObject | null;
}

export interface Table {
  kind: 'Table';
  apiVersion: 'meta.k8s.io/v1';
  metadata: ListMeta;
  /** Null in all but the first event of a watch. */
  columnDefinitions: TableColumnDefinition[] | null;
  rows: TableRow[];
}

export function parseIncludeObject(text: string | null | undefined): IncludeObject | undefined {
  if (text === null || text === undefined || text === '') return 'Metadata';
  return text === 'None' || text === 'Metadata' || text === 'Object' ? text : undefined;
}

/** `metadata` is the list's, or for one object `{ resourceVersion }` of it. */
export function buildTable(
  columns: readonly TableColumnDefinition[] | null,
  objects: readonly KubeObject[],
  rowOf: (object: KubeObject) => Omit<TableRow, 'object'>,
  metadata: ListMeta,
  includeObject: IncludeObject,
): Table {
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: columns === null ? null : [...columns],
    rows: objects.map((object) => ({ ...rowOf(object), object: rowObject(object, includeObject) })),
  };
}

function rowObject(object: KubeObject, includeObject: IncludeObject): TableRow['object'] {
  if (includeObject === 'None') return null;
  return includeObject === 'Object' ? object : toPartialObjectMetadata(object);
}

/** A row of facts/table-columns.json: name, type, format, priority. */
export type ColumnFacts = readonly [name: string, type: string, format: string, priority: number];

export function columnsFromFacts(
  facts: readonly ColumnFacts[],
  descriptionOf: (name: string) => string,
): TableColumnDefinition[] {
  return facts.map(([name, type, format, priority]) => ({
    name,
    type,
    format,
    description: descriptionOf(name),
    priority,
  }));
}
