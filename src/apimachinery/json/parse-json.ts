/**
 * JSON from a client: its value, and what field validation wants to know that a value cannot tell: keys given twice and
 * numbers written as fractions. JSON.parse does the work; only texts with something odd are read again (json-scanner.ts).
 */
import { type FloatLiterals, scanJson } from './json-scanner.ts';

export interface ParsedJson {
  value: any;
  /** Paths in the order of the document: `metadata.name`. The last one given counts. */
  duplicateFields: string[];
  /** Whole numbers written as `2.0` or `1e3`, by path: Go reads them as floats, and refuses them for integer fields. */
  floatLiterals: FloatLiterals | undefined;
}

/** Not JSON; the message is that of Go's parser. */
export class JsonSyntaxError extends Error {
  override name = 'JsonSyntaxError';
}

/** Deeper documents are refused, so that recursive code cannot run out of stack. Upstream allows ten times as much. */
const depthMax = 1000;

/** Throws JsonSyntaxError. */
export function parseJson(text: string): ParsedJson {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new JsonSyntaxError(scanJson(text).error ?? 'invalid JSON', { cause });
  }
  const hasDuplicates = countKeys(value, 0) !== countWrittenKeys(text);
  if (!hasDuplicates && !floatLike.test(text)) return { value, duplicateFields: [], floatLiterals: undefined };
  const { duplicateFields, floatLiterals } = scanJson(text);
  return { value, duplicateFields, floatLiterals: floatLiterals.size ? floatLiterals : undefined };
}

export function duplicateFieldText(path: string): string {
  return `duplicate field ${JSON.stringify(path)}`;
}

/** May also hit inside a string, which costs a scan and nothing else. Bounded, so that no text makes it slow. */
const floatLike = /[:,[\s]-?\d{1,20}(?:\.\d{1,20})?(?:[eE][-+]?\d{1,4})?(?<=[.eE][-+]?\d{1,20})\s{0,8}[,\]}]/;

function countKeys(value: unknown, depth: number): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (depth >= depthMax) throw new JsonSyntaxError('exceeded max depth');
  let count = 0;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) count += countKeys(value[i], depth + 1);
  } else {
    for (const key in value) count += 1 + countKeys((value as Record<string, unknown>)[key], depth + 1);
  }
  return count;
}

/** In valid JSON every key has one colon, and no other colon stands outside a string. */
function countWrittenKeys(text: string): number {
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === colon) count++;
    else if (char === quote) i = endOfString(text, i);
  }
  return count;
}
const colon = 0x3a;
const quote = 0x22;
const backslash = 0x5c;

function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === backslash) backslashes++;
    if (backslashes % 2 === 0) return end;
  }
}
