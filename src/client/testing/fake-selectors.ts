import type { KubeObject } from '#apimachinery/object.ts';

/** `a=b,c!=d`, `x in (1,2)`, `y`, `!z` for labels; `metadata.name=a,spec.nodeName!=` for fields. */
export function matchesSelectors(
  object: KubeObject,
  { labelSelector = '', fieldSelector = '' }: { labelSelector?: string; fieldSelector?: string },
): boolean {
  return (
    requirements(labelSelector).every((r) => matchesLabel(object.metadata.labels ?? {}, r)) &&
    requirements(fieldSelector).every((r) => matchesField(object, r))
  );
}

/** Splits at commas that are not inside parentheses. */
function requirements(selector: string): string[] {
  return selector === '' ? [] : selector.split(/,(?![^(]*\))/).map((r) => r.trim());
}

function matchesLabel(labels: Record<string, string>, requirement: string): boolean {
  const set = /^(\S+)\s+(in|notin)\s*\((.*)\)$/.exec(requirement);
  if (set) {
    const [, key, operator, values] = set as unknown as [string, string, string, string];
    const isIn = labels[key] !== undefined && values.split(',').some((v) => v.trim() === labels[key]);
    return isIn === (operator === 'in');
  }
  const [key, operator, value] = parseEquality(requirement);
  if (operator === '') return key.startsWith('!') ? labels[key.slice(1)] === undefined : labels[key] !== undefined;
  return (labels[key] === value) === (operator === '=');
}

function matchesField(object: KubeObject, requirement: string): boolean {
  const [path, operator, value] = parseEquality(requirement);
  let at: any = object;
  for (const step of path.split('.')) at = at?.[step];
  return (String(at ?? '') === value) === (operator === '=');
}

function parseEquality(text: string): [key: string, operator: '=' | '!=' | '', value: string] {
  const match = /^(.*?)\s*(!=|==?)\s*(.*)$/.exec(text);
  if (!match) return [text, '', ''];
  return [match[1]!, match[2] === '!=' ? '!=' : '=', match[3]!];
}
