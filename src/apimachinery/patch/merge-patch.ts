/** JSON merge patch (RFC 7386): objects merge, null deletes, everything else replaces. */
import { cloneJson, getOwn, isJsonObject, type JsonObject, setOwn } from '../json-value.ts';
import { apiErrors } from '../status-error.ts';

/** Neither argument is changed; the result shares nothing with them. Throws StatusError for a patch that is no object. */
export function applyMergePatch(target: JsonObject, patch: unknown): JsonObject {
  if (!isJsonObject(patch)) throw notAnObject(patch);
  return merge(cloneJson(target), patch);
}

/** The answer to a merge or strategic patch that is some other JSON value. */
export function notAnObject(patch: unknown) {
  const kind = Array.isArray(patch) ? 'array' : typeof patch === 'boolean' ? 'bool' : typeof patch;
  return apiErrors.badRequest(
    `error decoding patch: json: cannot unmarshal ${kind} into Go value of type map[string]interface {}`,
  );
}

function merge(target: JsonObject, patch: JsonObject): JsonObject {
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) {
      delete target[key];
      continue;
    }
    const current = getOwn(target, key);
    setOwn(target, key, isJsonObject(value) ? merge(isJsonObject(current) ? current : {}, value) : cloneJson(value));
  }
  return target;
}
