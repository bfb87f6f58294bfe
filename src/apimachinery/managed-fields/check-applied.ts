/**
 * Whether a configuration fits the schema, as it must before it can be merged: upstream refuses what a create would only
 * warn about, an unknown field, and what a create would let pass, an element twice. Worded as upstream's typed values are.
 */
import { formatGoValue } from '../go-format.ts';
import { isJsonObject } from '../json-value.ts';
import type { SchemaType } from '../schema/schema.ts';
import { formatPath } from './path-element.ts';
import { elementOf, type ListStructure, type MapStructure, memberType, type Structures } from './structure.ts';

/** Undefined: it fits. */
export function findMisfit(structures: Structures, type: SchemaType, value: unknown): string | undefined {
  const misfits: string[] = [];
  check(structures, type, value, '', misfits);
  if (misfits.length <= 1) return misfits[0];
  return ['errors:', ...misfits.map((text) => `  ${text}`)].join('\n');
}

function check(structures: Structures, type: SchemaType, value: unknown, path: string, misfits: string[]): void {
  if (value === null || value === undefined) return;
  const structure = structures.ofValue(type, value);
  const refuse = (expected: string, shown: string) =>
    misfits.push(`${shownAt(path)}expected ${expected}, got ${shown}`);
  switch (structure.kind) {
    case 'map':
      if (!isJsonObject(value)) refuse('map', goPointer(value));
      else checkMap(structures, structure, value, path, misfits);
      return;
    case 'list':
      if (!Array.isArray(value)) refuse('list', goPointer(value));
      else checkList(structures, structure, value, path, misfits);
      return;
    default: {
      const isScalar = typeof value !== 'object';
      if (structure.of === 'any') {
        if (!isScalar) refuse('any scalar', goPointer(value));
      } else if (structure.of === 'string') {
        if (typeof value !== 'string') refuse('string', `&value.valueUnstructured{Value:${goLiteral(value)}}`);
      } else if (typeof value !== structure.of) {
        refuse(structure.of === 'number' ? 'numeric (int or float)' : 'boolean', '*value.valueUnstructured');
      }
    }
  }
}

function checkMap(
  structures: Structures,
  structure: MapStructure,
  value: Record<string, unknown>,
  path: string,
  misfits: string[],
): void {
  for (const [name, item] of Object.entries(value)) {
    const at = `${path}.${name}`;
    const type = memberType(structure, name);
    if (type === undefined) misfits.push(`${at}: field not declared in schema`);
    else check(structures, type, item, at, misfits);
  }
}

function checkList(
  structures: Structures,
  structure: ListStructure,
  items: readonly unknown[],
  path: string,
  misfits: string[],
): void {
  const seen = new Set<string>();
  for (const [i, item] of items.entries()) {
    if (structure.isAtomic) {
      check(structures, structure.items, item, `${path}[${i}]`, misfits);
      continue;
    }
    const why = unfitElement(structure, item);
    if (why !== undefined) {
      misfits.push(`${path}: element ${i}: ${why}`);
      continue;
    }
    const element = elementOf(structure, item);
    const shown = formatPath([element]);
    if (seen.has(element)) misfits.push(`${path}: duplicate entries for key ${shown}`);
    else check(structures, structure.items, item, `${path}${shown}`, misfits);
    seen.add(element);
  }
}

function unfitElement(structure: ListStructure, item: unknown): string | undefined {
  if (structure.keys !== undefined) {
    if (item === null) return 'associative list with keys may not have a null element';
    return isJsonObject(item) ? undefined : 'associative list with keys may not have non-map elements';
  }
  if (item === null) return "associative list without keys has an element that's an explicit null";
  if (isJsonObject(item)) return "associative list without keys has an element that's a map type";
  return Array.isArray(item) ? 'not supported: associative list with lists as elements' : undefined;
}

function shownAt(path: string): string {
  return path === '' ? '' : `${path}: `;
}

function goPointer(value: unknown): string {
  return `&{${formatGoValue(value)}}`;
}

function goLiteral(value: unknown): string {
  if (Array.isArray(value)) return `[]interface {}{${value.map(goLiteral).join(', ')}}`;
  if (!isJsonObject(value)) return JSON.stringify(value);
  const pairs = Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}:${goLiteral(item)}`);
  return `map[string]interface {}{${pairs.join(', ')}}`;
}
