import type { KubeObject } from '#apimachinery/object.ts';

/** A part of an object, as loosely typed as `spec` is: kinds look into it field by field. */
export type Fields = KubeObject['spec'];

/** Fills a field that the client left out. As in Go, an empty string counts as left out. */
export function setDefault(target: Fields, field: string, value: unknown): void {
  const current = target[field];
  if (current === undefined || current === null || current === '') target[field] = value;
}

/** For numbers that upstream keeps without a pointer: 0 counts as left out too. */
export function setDefaultNumber(target: Fields, field: string, value: number): void {
  if (!target[field]) target[field] = value;
}

/** The field's object, made when absent. */
export function ensure(target: Fields, field: string): Fields {
  target[field] ??= {};
  return target[field];
}

/** The elements of a list that may be absent, or not (yet) what it should be. */
export function each(list: unknown): Fields[] {
  return Array.isArray(list) ? list.filter((item) => item !== null && typeof item === 'object') : [];
}
