/**
 * JSON patch (RFC 6902), with the liberties of the library upstream uses: `replace` of an object's missing key adds it,
 * an index may be negative and counts from the end, `test` for null holds for a missing key. All failures of operations
 * look alike to the client.
 */
import { deepEqual } from '../deep-equal.ts';
import { cloneJson, getOwn, isJsonObject, type JsonObject, setOwn } from '../json-value.ts';
import { apiErrors, StatusError } from '../status-error.ts';

export const operationsMax = 10_000;
/** Bytes of JSON that the copy operations of one patch may add. */
export const copyBytesMax = 3 * 1024 * 1024;

/** `document` is not changed. Throws StatusError: 400 for what is no patch, 413 over the limit, 422 when it does not apply. */
export function applyJsonPatch(document: JsonObject, patch: unknown): JsonObject {
  const operations = checkOperations(patch);
  // Operations act below one holder, so that the root is a place like any other.
  const holder: JsonObject = { root: cloneJson(document) };
  let copiedBytes = 0;
  for (const operation of operations) {
    switch (operation['op']) {
      case 'add':
        add(holder, pointer(operation['path']), valueIn(operation));
        break;
      case 'remove':
        remove(holder, pointer(operation['path']));
        break;
      case 'replace':
        replace(holder, pointer(operation['path']), valueIn(operation));
        break;
      case 'move':
        add(holder, pointer(operation['path']), remove(holder, pointer(operation['from'])));
        break;
      case 'copy': {
        const value = get(holder, pointer(operation['from']));
        if (value === undefined) throw doesNotApply('copy of a missing path');
        copiedBytes += JSON.stringify(value).length;
        if (copiedBytes > copyBytesMax) throw doesNotApply(`copies exceed ${copyBytesMax} bytes`);
        add(holder, pointer(operation['path']), cloneJson(value));
        break;
      }
      case 'test': {
        const value = get(holder, pointer(operation['path']));
        if (!deepEqual(value ?? null, operation['value'] ?? null)) throw doesNotApply('test failed');
        break;
      }
      default:
        throw doesNotApply(`unexpected kind: ${String(operation['op'])}`);
    }
  }
  return holder['root'];
}

function checkOperations(patch: unknown): JsonObject[] {
  if (!Array.isArray(patch)) throw undecodable(patch, '[]handlers.jsonPatchOp');
  if (patch.length > operationsMax) {
    throw apiErrors.requestEntityTooLarge(
      `The allowed maximum operations in a JSON patch is ${operationsMax}, got ${patch.length}`,
    );
  }
  for (const operation of patch) if (!isJsonObject(operation)) throw undecodable(operation, 'handlers.jsonPatchOp');
  return patch;
}

function undecodable(value: unknown, type: string): StatusError {
  const kind =
    value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;
  return apiErrors.badRequest(`error decoding patch: json: cannot unmarshal ${kind} into Go value of type ${type}`);
}

/** The reason is for the log; the client is told nothing of it, as upstream does. */
function doesNotApply(why: string): StatusError {
  return new StatusError(
    {
      code: 422,
      reason: 'Invalid',
      message: 'the server rejected our request due to an error in our request',
      details: {},
    },
    { cause: new Error(why) },
  );
}

/** The tokens of a JSON pointer, below the holder's `root`. */
function pointer(path: unknown): string[] {
  if (typeof path !== 'string' || (path !== '' && !path.startsWith('/')))
    throw doesNotApply(`bad path: ${String(path)}`);
  const tokens = path.split('/');
  tokens[0] = 'root';
  return tokens.map((t) => (t.includes('~') ? t.replaceAll('~1', '/').replaceAll('~0', '~') : t));
}

function valueIn(operation: JsonObject): unknown {
  return operation['value'] === undefined ? null : cloneJson(operation['value']);
}

function parentOf(holder: JsonObject, tokens: readonly string[]): JsonObject | unknown[] {
  let at: unknown = holder;
  for (let i = 0; i < tokens.length - 1; i++) at = child(at, tokens[i]!);
  if (typeof at !== 'object' || at === null) throw doesNotApply('missing path');
  return at as JsonObject | unknown[];
}

function child(parent: unknown, token: string): unknown {
  if (Array.isArray(parent)) return parent[indexOf(parent, token, parent.length - 1)];
  return isJsonObject(parent) ? getOwn(parent, token) : undefined;
}

function get(holder: JsonObject, tokens: readonly string[]): unknown {
  return child(parentOf(holder, tokens), tokens.at(-1)!);
}

function add(holder: JsonObject, tokens: readonly string[], value: unknown): void {
  const parent = parentOf(holder, tokens);
  const last = tokens.at(-1)!;
  if (!Array.isArray(parent)) setOwn(parent, last, value);
  else if (last === '-') parent.push(value);
  else parent.splice(indexOf(parent, last, parent.length), 0, value);
}

function replace(holder: JsonObject, tokens: readonly string[], value: unknown): void {
  const parent = parentOf(holder, tokens);
  const last = tokens.at(-1)!;
  if (Array.isArray(parent)) parent[indexOf(parent, last, parent.length - 1)] = value;
  else setOwn(parent, last, value);
}

function remove(holder: JsonObject, tokens: readonly string[]): unknown {
  const parent = parentOf(holder, tokens);
  const last = tokens.at(-1)!;
  if (Array.isArray(parent)) return parent.splice(indexOf(parent, last, parent.length - 1), 1)[0];
  if (!Object.hasOwn(parent, last)) throw doesNotApply('remove of a missing path');
  const value = parent[last];
  delete parent[last];
  return value;
}

function indexOf(list: readonly unknown[], token: string, max: number): number {
  if (!/^-?\d+$/.test(token)) throw doesNotApply(`bad index: ${token}`);
  const given = Number(token);
  const index = given < 0 ? given + max + 1 : given;
  if (index < 0 || index > max) throw doesNotApply(`index ${token} is outside a list of ${list.length}`);
  return index;
}
