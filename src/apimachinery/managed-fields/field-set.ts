/**
 * A set of field paths, kept in its wire form, FieldsV1: a tree whose keys are path elements (path-element.ts). A node is
 * in the set if it is `{}` or has a `.`; else it only leads to others. Sets are never changed, so they share nodes, and an
 * operation that changes nothing gives back the set itself: who owns an object's fields is compared by identity on every
 * write. The empty set is undefined.
 */
import { comparePathElements } from './path-element.ts';

export interface FieldSet {
  readonly [element: string]: FieldSet;
}

type Building = Record<string, FieldSet>;

/** A path that ends here. */
export const leaf: FieldSet = Object.freeze({});

/** The node itself is in the set. */
export function isMember(node: FieldSet): boolean {
  return node['.'] !== undefined || isLeaf(node);
}

export function isLeaf(node: FieldSet): boolean {
  for (const _ in node) return false;
  return true;
}

/** From the wire, where the empty set is `{}`. */
export function fieldSetFrom(fieldsV1: unknown): FieldSet | undefined {
  if (typeof fieldsV1 !== 'object' || fieldsV1 === null) return undefined;
  return isLeaf(fieldsV1 as FieldSet) ? undefined : (fieldsV1 as FieldSet);
}

/** Whether what a client sent is a set at all, of no more levels than an object has fields within fields. */
export function isFieldSet(value: unknown, levels = levelsMax): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || levels === 0) return false;
  for (const element in value) {
    if (!elementForm.test(element) || !isFieldSet((value as FieldSet)[element], levels - 1)) return false;
  }
  return true;
}
const levelsMax = 500;
const elementForm = /^(?:\.$|[fkvi]:)/;

/** The set of one path, given as its elements. */
export function pathSet(...elements: string[]): FieldSet {
  return elements.reduceRight<FieldSet>((node, element) => ({ [element]: node }), leaf);
}

/** A node of these parts; undefined: nothing is in it. */
export function nodeOf(member: boolean, children: Building | undefined): FieldSet | undefined {
  if (children === undefined || isLeaf(children)) return member ? leaf : undefined;
  return member ? { '.': leaf, ...children } : children;
}

export function union(a: FieldSet | undefined, b: FieldSet | undefined): FieldSet | undefined {
  if (a === undefined) return b;
  if (b === undefined || a === b) return a;
  return unionOf(a, b);
}

function unionOf(a: FieldSet, b: FieldSet): FieldSet {
  const lacksMember = isMember(b) && !isMember(a);
  let out: Building | undefined = lacksMember ? { '.': leaf, ...a } : undefined;
  for (const element in b) {
    if (element === '.') continue;
    const mine = a[element];
    const joined = mine === undefined ? b[element]! : unionOf(mine, b[element]!);
    if (joined === mine) continue;
    out ??= isLeaf(a) ? { '.': leaf } : { ...a };
    out[element] = joined;
  }
  return out ?? a;
}

/** What is in `a` and not in `b`; what lies below a path of `b` stays. */
export function difference(a: FieldSet | undefined, b: FieldSet | undefined): FieldSet | undefined {
  if (a === undefined || b === undefined) return a;
  if (a === b) return undefined;
  const wasMember = isMember(a);
  const staysMember = wasMember && !isMember(b);
  let out: Building | undefined = wasMember === staysMember ? undefined : childrenOf(a);
  for (const element in b) {
    const mine = element === '.' ? undefined : a[element];
    if (mine === undefined) continue;
    const rest = difference(mine, b[element]!);
    if (rest === mine) continue;
    out ??= childrenOf(a);
    if (rest === undefined) delete out[element];
    else out[element] = rest;
  }
  return out === undefined ? a : nodeOf(staysMember, out);
}

/** What is in `a`, and neither in `b` nor below a path of `b`. */
export function recursiveDifference(a: FieldSet | undefined, b: FieldSet | undefined): FieldSet | undefined {
  if (a === undefined || b === undefined) return a;
  if (isMember(b)) return undefined;
  let out: Building | undefined;
  for (const element in b) {
    const mine = a[element];
    if (mine === undefined) continue;
    const rest = recursiveDifference(mine, b[element]!);
    if (rest === mine) continue;
    out ??= childrenOf(a);
    if (rest === undefined) delete out[element];
    else out[element] = rest;
  }
  return out === undefined ? a : nodeOf(isMember(a), out);
}

export function intersection(a: FieldSet | undefined, b: FieldSet | undefined): FieldSet | undefined {
  if (a === undefined || b === undefined) return undefined;
  if (a === b) return a;
  let out: Building | undefined;
  for (const element in b) {
    if (element === '.' || a[element] === undefined) continue;
    const both = intersection(a[element], b[element]);
    if (both === undefined) continue;
    out ??= {};
    out[element] = both;
  }
  return nodeOf(isMember(a) && isMember(b), out);
}

/** Every path of the set, as its elements; those that end at a node come before those that go deeper. */
export function pathsOf(set: FieldSet | undefined): string[][] {
  const paths: string[][] = [];
  const walk = (node: FieldSet, path: string[]): void => {
    const elements = Object.keys(node)
      .filter((element) => element !== '.')
      .sort(comparePathElements);
    for (const element of elements) if (isMember(node[element]!)) paths.push([...path, element]);
    for (const element of elements) walk(node[element]!, [...path, element]);
  };
  if (set !== undefined) walk(set, []);
  return paths;
}

/** With its keys in the order in which upstream writes them. */
export function sorted(set: FieldSet): FieldSet {
  let out: Building | undefined;
  let isOrdered = true;
  let last: string | undefined;
  for (const element in set) {
    const child = sorted(set[element]!);
    if (child !== set[element]) {
      out ??= { ...set };
      out[element] = child;
    }
    isOrdered &&= last === undefined || comparePathElements(last, element) < 0;
    last = element;
  }
  const inner = out ?? set;
  if (isOrdered) return inner;
  const ordered: Building = {};
  for (const element of Object.keys(inner).sort(comparePathElements)) ordered[element] = inner[element]!;
  return ordered;
}

function childrenOf(node: FieldSet): Building {
  const { '.': _member, ...children } = node;
  return children;
}
