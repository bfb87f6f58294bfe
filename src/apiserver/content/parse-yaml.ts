/**
 * YAML from a client. It stops at the first error: collecting all of them, as the library does by itself, takes minutes
 * for a megabyte made of nothing else. Aliases are limited by the library (billion laughs), depth by the stack.
 */
import type { Tags } from 'yaml';
import { JsonSyntaxError, parseJson } from '#apimachinery/json/parse-json.ts';
import { messageOf } from '#base/errors.ts';

export interface ParsedYaml {
  value: unknown;
  /** Keys given twice, one line each in the words of Go's decoder; the last one counts. Empty: none. */
  duplicates: string[];
}

/** Not YAML; the message is one line. */
export class YamlSyntaxError extends Error {
  override name = 'YamlSyntaxError';
}

/** Throws YamlSyntaxError. The library is loaded by the first client that needs it: what is JSON, and most is, needs none. */
export async function parseYaml(text: string): Promise<ParsedYaml> {
  const json = asJson(text);
  if (json) return json;
  const { Composer, isScalar, LineCounter, Parser, visit } = await import('yaml');
  try {
    const lines = new LineCounter();
    const composer = new Composer({ version: '1.1', uniqueKeys: false, customTags: withoutTimes });
    Object.assign(composer, { onError: stopAtFirst });
    const [document] = [...composer.compose(new Parser(lines.addNewLine).parse(text))];
    const duplicates: string[] = [];
    visit(document ?? null, {
      Map(_, { items }) {
        const seen = new Set<unknown>();
        for (const { key } of items) {
          const name = isScalar(key) ? key.value : key;
          if (seen.has(name)) {
            const { line } = lines.linePos(isScalar(key) ? key.range![0] : 0);
            duplicates.push(`line ${line}: key ${JSON.stringify(name)} already set in map`);
          }
          seen.add(name);
        }
      },
    });
    return { value: document?.toJS(), duplicates };
  } catch (cause) {
    throw new YamlSyntaxError(messageOf(cause).split('\n')[0]!, { cause });
  }
}

/** Go's decoder leaves dates as they are written, and knows no numbers to the base 60. */
function withoutTimes(tags: Tags): Tags {
  return tags.filter(
    (tag) => typeof tag === 'string' || (tag.tag !== 'tag:yaml.org,2002:timestamp' && tag.format !== 'TIME'),
  );
}

function stopAtFirst(_source: unknown, _code: string, message: string, isWarning?: boolean): void {
  if (!isWarning) throw new YamlSyntaxError(message);
}

function asJson(text: string): ParsedYaml | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    const { value, duplicateFields } = parseJson(text);
    return duplicateFields.length === 0 ? { value, duplicates: [] } : undefined;
  } catch (error) {
    if (error instanceof JsonSyntaxError) return undefined;
    throw error;
  }
}
