/**
 * One step of a field path, as FieldsV1 writes it: `f:name` a field or map key, `k:{"name":"x"}` the element of a list with
 * these keys, `v:"x"` the element of a set, `i:0` a position, `.` the thing itself.
 */
import { isJsonObject } from '../json-value.ts';

/** A key field of a list, with the value of elements that leave it out. */
export interface ListKey {
  name: string;
  default: unknown;
}

/** Of an element of a list by keys. Keys that are absent and have no default are left out. `keys` are in order of name. */
export function keyElement(item: unknown, keys: readonly ListKey[]): string {
  let text = 'k:{';
  for (const key of keys) {
    const value = (item as Record<string, unknown> | null)?.[key.name] ?? key.default;
    if (value === undefined || value === null) continue;
    if (text.length > 3) text += ',';
    text += `${JSON.stringify(key.name)}:${JSON.stringify(value)}`;
  }
  return `${text}}`;
}

export function setElement(item: unknown): string {
  return `v:${JSON.stringify(item)}`;
}

/** `.spec.containers[name="x"].env`, as conflicts and errors show it. */
export function formatPath(elements: readonly string[]): string {
  return elements.map(formatElement).join('');
}

function formatElement(element: string): string {
  const text = element.slice(2);
  switch (element[0]) {
    case 'f':
      return `.${text}`;
    case 'v':
      return `[=${text}]`;
    case 'k': {
      const keys = parsed(text);
      if (!isJsonObject(keys)) return `[${text}]`;
      const pairs = Object.entries(keys).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
      return `[${pairs.join(',')}]`;
    }
    default:
      return `[${text}]`;
  }
}

/** The node itself, then fields, elements by key, elements of sets, positions; each kind by its value. */
export function comparePathElements(a: string, b: string): number {
  if (a === b) return 0;
  // Mostly fields, whose names order them.
  if (a[0] === 'f' && b[0] === 'f') return a < b ? -1 : 1;
  const kind = kindOrder.indexOf(a[0]!) - kindOrder.indexOf(b[0]!);
  if (kind !== 0) return kind;
  return compareValues(parsed(a.slice(2)), parsed(b.slice(2))) || (a < b ? -1 : 1);
}
const kindOrder = '.fkvi';

function compareValues(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (isJsonObject(a) && isJsonObject(b)) {
    const [names, others] = [Object.keys(a), Object.keys(b)];
    for (let i = 0; i < names.length && i < others.length; i++) {
      if (names[i] !== others[i]) return names[i]! < others[i]! ? -1 : 1;
      const order = compareValues(a[names[i]!], b[others[i]!]);
      if (order !== 0) return order;
    }
    return names.length - others.length;
  }
  const [x, y] = [String(a), String(b)];
  return x === y ? 0 : x < y ? -1 : 1;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
