/** Columns of the Table answers, from facts/table-columns.json. The cells are made by each kind's `tableRow`. */
import type { KubeObject } from '#apimachinery/object.ts';
import facts from './facts/table-columns.json' with { type: 'json' };

/** A TableColumnDefinition; `description` is left to who writes it. */
export interface Column {
  name: string;
  type: string;
  format: string;
  priority: number;
}

/** Of a built-in resource, or of a custom one without printer columns. */
export function columnsOf(group: string, resource: string): readonly Column[] {
  return table().get(`${group}/${resource}`) ?? defaultColumns;
}

/** No columns beyond name and creation time: such rows need no code. */
export function isDefaultTable(group: string, resource: string): boolean {
  const columns = columnsOf(group, resource);
  return columns.length === 2 && columns[1]?.name === 'Created At';
}

export function defaultRow(object: KubeObject): unknown[] {
  return [object.metadata.name ?? '', object.metadata.creationTimestamp ?? null];
}

type ColumnRow = [name: string, type: string, format: string, priority: number];

const toColumn = ([name, type, format, priority]: ColumnRow): Column => ({ name, type, format, priority });
const defaultColumns = (facts.default_for_unknown_or_crd as ColumnRow[]).map(toColumn);
let cached: Map<string, Column[]> | undefined;

function table(): Map<string, Column[]> {
  if (cached) return cached;
  cached = new Map();
  for (const row of facts.resources)
    if (row.defaultServed) cached.set(`${row.group}/${row.resource}`, (row.columns as ColumnRow[]).map(toColumn));
  return cached;
}
