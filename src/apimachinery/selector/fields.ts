/** Field selectors, `metadata.name=a,status.phase!=Running`: equality only, over the few fields a kind offers. */
import { SelectorSyntaxError } from './label-parser.ts';

export interface FieldRequirement {
  field: string;
  operator: '=' | '!=';
  value: string;
}

/** All must hold. Empty: everything matches. */
export type FieldSelector = readonly FieldRequirement[];

/** Throws SelectorSyntaxError with upstream's text. A backslash keeps the meaning from `,`, `=` and itself. */
export function parseFieldSelector(text: string): FieldSelector {
  const requirements: FieldRequirement[] = [];
  for (const term of splitTerms(text)) {
    if (term === '') continue;
    const match = /^(.*?)(!=|==|=)(.*)$/s.exec(term);
    if (!match) throw new SelectorSyntaxError(`invalid selector: '${text}'; can't understand '${term}'`);
    const [, field, operator, value] = match;
    requirements.push({ field: field!, operator: operator === '!=' ? '!=' : '=', value: unescapeValue(value!) });
  }
  return requirements;
}

/** A field that is not in `fields` counts as ''. */
export function matchesFields(selector: FieldSelector, fields: Readonly<Record<string, string>>): boolean {
  for (let i = 0; i < selector.length; i++) {
    const { field, operator, value } = selector[i]!;
    if (((fields[field] ?? '') === value) !== (operator === '=')) return false;
  }
  return true;
}

/** The one value `field` may have: lets a list by `metadata.name` become a get. Undefined: not pinned down. */
export function exactFieldValue(selector: FieldSelector, field: string): string | undefined {
  return selector.find((r) => r.field === field && r.operator === '=')?.value;
}

export function formatFieldSelector(selector: FieldSelector): string {
  return selector.map((r) => `${r.field}${r.operator}${r.value.replace(/[\\,=]/g, '\\$&')}`).join(',');
}

function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === ',') {
      terms.push(text.slice(start, i));
      start = i + 1;
    }
  }
  terms.push(text.slice(start));
  return terms;
}

function unescapeValue(value: string): string {
  let out = '';
  for (let i = 0; i < value.length; i++) {
    const char = value[i]!;
    if (char === '\\') {
      const next = value[++i];
      if (next !== '\\' && next !== ',' && next !== '=') {
        throw new SelectorSyntaxError(`invalid field selector: invalid escape sequence: \\${next ?? ''}`);
      }
      out += next;
    } else if (char === '=') {
      throw new SelectorSyntaxError(`invalid field selector: unescaped character in value: ${char.codePointAt(0)}`);
    } else {
      out += char;
    }
  }
  return out;
}
