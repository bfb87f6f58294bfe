/** Plain JSON values: cloning, comparing, and writing keys that come from outside. */

export type JsonObject = Record<string, any>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A deep copy of plain JSON, several times faster than structuredClone. */
export function cloneJson<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const out = new Array(value.length);
    for (let i = 0; i < value.length; i++) out[i] = cloneJson(value[i]);
    return out as T;
  }
  const source = value as JsonObject;
  const out: JsonObject = {};
  for (const key in source) {
    const item = source[key];
    if (key === '__proto__') setOwn(out, key, cloneJson(item));
    else out[key] = typeof item === 'object' && item !== null ? cloneJson(item) : item;
  }
  return out as T;
}

/** Assigns a key a client chose: a plain assignment of `__proto__` would change the object's prototype. */
export function setOwn(object: JsonObject, key: string, value: unknown): void {
  if (key !== '__proto__') object[key] = value;
  else Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

/** Reads a key a client chose: what every object inherits is not there. */
export function getOwn(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}
