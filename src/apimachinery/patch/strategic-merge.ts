/**
 * Strategic merge patch: a merge patch in which the schema says how lists merge (by key, as sets, or not at all) and
 * the patch may give directives: `$patch: delete|replace`, `$retainKeys`, `$deleteFromPrimitiveList/<field>`,
 * `$setElementOrder/<field>`. Semantics, order of elements and messages are upstream's (util/strategicpatch).
 */
import { deepEqual } from '../deep-equal.ts';
import { formatGoValue } from '../go-format.ts';
import { cloneJson, getOwn, isJsonObject, type JsonObject, setOwn } from '../json-value.ts';
import { goNameOf, type SchemaField, type SchemaSet, type SchemaType, specialSchemas } from '../schema/schema.ts';
import { apiErrors, StatusError } from '../status-error.ts';
import { mergedOrder } from './element-order.ts';
import { notAnObject } from './merge-patch.ts';

/** Neither argument is changed. Throws StatusError. */
export function applyStrategicMergePatch(
  schemas: SchemaSet,
  schemaName: string,
  original: JsonObject,
  patch: unknown,
): JsonObject {
  if (!isJsonObject(patch)) throw notAnObject(patch);
  return mergeMap(schemas, { ref: schemaName }, cloneJson(original), cloneJson(patch));
}

const patchDirective = '$patch';
const retainKeysDirective = '$retainKeys';
const deleteFromListPrefix = '$deleteFromPrimitiveList';
const setElementOrderPrefix = '$setElementOrder';

/** Both are ours to change. */
function mergeMap(schemas: SchemaSet, type: SchemaType, original: JsonObject, patch: JsonObject): JsonObject {
  const directive = getOwn(patch, patchDirective);
  if (directive !== undefined) {
    if (directive === 'delete') return {};
    if (directive !== 'replace') throw badPatchType(directive, patch);
    delete patch[patchDirective];
    return patch;
  }
  retainKeys(original, patch);
  applyElementOrders(schemas, type, original, patch);

  for (const [givenKey, value] of Object.entries(patch)) {
    const deletesFromList = givenKey.startsWith(deleteFromListPrefix);
    const key = deletesFromList ? directiveField(givenKey) : givenKey;
    if (value === null) {
      delete original[key];
      continue;
    }
    const current = getOwn(original, key);
    if (current === undefined) {
      if (!deletesFromList) setOwn(original, key, asNewValue(value));
    } else if (isJsonObject(current) && isJsonObject(value)) {
      const field = fieldOf(schemas, type, key);
      setOwn(
        original,
        key,
        field.strategies.includes('replace') ? value : mergeMap(schemas, field.type, current, value),
      );
    } else if (Array.isArray(current) && Array.isArray(value)) {
      const field = fieldOf(schemas, type, key);
      setOwn(original, key, mergeList(schemas, field, current, value, deletesFromList));
    } else {
      setOwn(original, key, value);
    }
  }
  return original;
}

interface PatchField {
  type: SchemaType;
  strategies: readonly string[];
  mergeKey: string;
}

function mergeList(
  schemas: SchemaSet,
  field: PatchField,
  original: unknown[],
  patch: unknown[],
  deletesFromList: boolean,
): unknown[] {
  if (!field.strategies.includes('merge')) return patch;
  if (original.length === 0 && patch.length === 0) return original;
  if (!holdsObjects(original, patch)) {
    if (deletesFromList) return original.filter((item) => !patch.includes(item));
    return mergedOrder([...new Set([...original, ...patch])], patch, original, '');
  }
  if (field.mergeKey === '')
    throw internal(`cannot merge lists without merge key for type ${goKindOf(field.type.items)}`);
  const { base, changes } = applyListDirectives(original as JsonObject[], patch as JsonObject[], field.mergeKey);
  const merged = [...base];
  for (const change of changes) {
    const key = mergeKeyOf(change, field.mergeKey);
    const at = merged.findIndex((item) => item[field.mergeKey] === key);
    if (at >= 0) merged[at] = mergeMap(schemas, field.type.items ?? {}, merged[at]!, change);
    else merged.push(asNewValue(change) as JsonObject);
  }
  return mergedOrder(merged, changes, base, field.mergeKey);
}

/** `{$patch: delete, name: x}` takes x out, `{$patch: replace}` everything that was there. */
function applyListDirectives(original: JsonObject[], patch: JsonObject[], mergeKey: string) {
  let base = original;
  let replaces = false;
  const changes: JsonObject[] = [];
  for (const item of patch) {
    const directive = getOwn(item, patchDirective);
    if (directive === undefined) changes.push(item);
    else if (directive === 'delete') {
      const key = mergeKeyOf(item, mergeKey);
      base = base.filter((o) => o[mergeKey] !== key);
    } else if (directive === 'replace') replaces = true;
    else if (directive === 'merge') throw internal('merging lists cannot yet be specified in the patch');
    else throw badPatchType(directive, item);
  }
  return replaces ? { base: [], changes } : { base, changes };
}

function mergeKeyOf(item: JsonObject, mergeKey: string): unknown {
  const key = getOwn(item, mergeKey);
  if (key === undefined) {
    throw internal(`map: ${formatGoValue(item)} does not contain declared merge key: ${mergeKey}`);
  }
  return key;
}

/** `$retainKeys: [type]` clears all other keys: how a union changes its member. */
function retainKeys(original: JsonObject, patch: JsonObject): void {
  const keys = getOwn(patch, retainKeysDirective);
  if (keys === undefined) return;
  delete patch[retainKeysDirective];
  if (!Array.isArray(keys)) throw apiErrors.badRequest(badRetainKeys);
  for (const [key, value] of Object.entries(patch)) {
    const isListDirective = key.startsWith(deleteFromListPrefix) || key.startsWith(setElementOrderPrefix);
    if (value !== null && !isListDirective && !keys.includes(key)) throw apiErrors.badRequest(badRetainKeys);
  }
  for (const key of Object.keys(original)) if (!keys.includes(key)) delete original[key];
}
const badRetainKeys = 'invalid patch format of retainKeys';
const badSetElementOrder = 'invalid patch format of setElementOrder list';
const badDeleteFromList = 'invalid patch format of primitive list';

/** Lists with a `$setElementOrder` are merged here, in its order, and leave the patch. */
function applyElementOrders(schemas: SchemaSet, type: SchemaType, original: JsonObject, patch: JsonObject): void {
  for (const [directive, order] of Object.entries(patch)) {
    if (!directive.startsWith(setElementOrderPrefix)) continue;
    delete patch[directive];
    if (!Array.isArray(order)) throw internal(badArgument('[]interface {}', order));
    const key = directiveField(directive);
    const current = getOwn(original, key);
    const change = getOwn(patch, key);
    if (current !== undefined && !Array.isArray(current)) throw internal(badArgument('[]interface {}', current));
    if (change !== undefined && !Array.isArray(change)) throw internal(badArgument('[]interface {}', change));
    if (current === undefined && change === undefined) continue;
    const field = fieldOf(schemas, type, key);
    if (change) checkAgainstOrder(change, order, field.mergeKey);
    const merged = current
      ? change
        ? mergeList(schemas, field, current, change, false)
        : current
      : (asNewValue(change) as unknown[]);
    setOwn(original, key, mergedOrder(merged as JsonObject[], order, current ?? [], field.mergeKey));
    delete patch[key];
  }
}

/** What the patch changes must be in the order list, and in that order. */
function checkAgainstOrder(patch: readonly unknown[], order: readonly unknown[], mergeKey: string): void {
  if (patch.length === 0 || order.length === 0) return;
  const kept = patch.filter((item) => !(isJsonObject(item) && Object.hasOwn(item, patchDirective)));
  let at = 0;
  for (const item of kept) {
    const isItem = (candidate: unknown) =>
      mergeKey === ''
        ? candidate === item
        : isJsonObject(candidate) &&
          isJsonObject(item) &&
          deepEqual(mergeKeyOf(candidate, mergeKey), mergeKeyOf(item, mergeKey));
    while (at < order.length && !isItem(order[at])) at++;
    if (at === order.length) {
      throw internal(
        `The order in patch list:\n${formatGoValue(patch)}\n doesn't match ${setElementOrderPrefix} list:\n${formatGoValue(order)}\n`,
      );
    }
    at++;
  }
}

function fieldOf(schemas: SchemaSet, type: SchemaType, key: string): PatchField {
  if (type.ref === undefined) return { type: type.additionalProperties ?? {}, strategies: [], mergeKey: '' };
  if (type.ref === specialSchemas.json) return { type: {}, strategies: [], mergeKey: '' };
  const fields: Record<string, SchemaField> = schemas.get(type.ref)?.fields ?? {};
  const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
  if (!field) {
    throw internal(
      `unable to find api field in struct ${goNameOf(type.ref).name} for the json field ${JSON.stringify(key)}`,
    );
  }
  return {
    type: field,
    strategies: field.patchStrategy?.split(',') ?? [],
    mergeKey: field.patchMergeKey ?? '',
  };
}

function directiveField(directive: string): string {
  const slash = directive.indexOf('/');
  if (slash > 0) return directive.slice(slash + 1);
  throw apiErrors.badRequest(directive.startsWith(deleteFromListPrefix) ? badDeleteFromList : badSetElementOrder);
}

/** What was not there before has nothing to delete: nulls and directives fall away. */
function asNewValue(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.filter((item) => !(isJsonObject(item) && Object.hasOwn(item, patchDirective))).map(asNewValue);
  }
  if (!isJsonObject(value)) return value;
  const out: JsonObject = {};
  for (const [key, item] of Object.entries(value)) {
    const isDirective =
      key === patchDirective ||
      key === retainKeysDirective ||
      key.startsWith(deleteFromListPrefix) ||
      key.startsWith(setElementOrderPrefix);
    if (item !== null && !isDirective) setOwn(out, key, asNewValue(item));
  }
  return out;
}

/** Whether the elements merge as objects; lists of lists, and of this and that, do not merge. */
function holdsObjects(...lists: unknown[][]): boolean {
  const kinds = new Set<string>();
  for (const list of lists) for (const item of list) kinds.add(Array.isArray(item) ? 'array' : typeof item);
  if (kinds.has('array')) throw unprocessable('lists of lists are not supported');
  if (kinds.size > 1) throw internal(`list element types are not identical: ${[...kinds].join(', ')}`);
  return kinds.has('object');
}

function goKindOf(type: SchemaType | undefined): string {
  return type?.ref ? 'struct' : (type?.type ?? 'interface');
}

function badPatchType(directive: unknown, patch: JsonObject): StatusError {
  return internal(`unknown patch type: ${formatGoValue(directive)} in map: ${formatGoValue(patch)}`);
}

function badArgument(expected: string, actual: unknown): string {
  const kind = isJsonObject(actual) ? 'map[string]interface {}' : actual === null ? '<nil>' : typeof actual;
  return `expected a ${expected}, but received a ${kind}`;
}

/** Upstream lets most patch errors through as they are: 500 without a reason. */
function internal(message: string): StatusError {
  return new StatusError({ code: 500, message });
}

function unprocessable(message: string): StatusError {
  return new StatusError(
    {
      code: 422,
      reason: 'Invalid',
      message: 'the server rejected our request due to an error in our request',
      details: {},
    },
    { cause: new Error(message) },
  );
}
