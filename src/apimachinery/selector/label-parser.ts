/**
 * The text form of label selectors, `env in (prod,dev), tier!=fe, !legacy, n>4`, read the way upstream's parser
 * reads it (apimachinery labels), so that its complaints are upstream's too.
 */
import { labelValueErrors, qualifiedNameErrors } from '../names.ts';

export type LabelOperator = '=' | '==' | '!=' | 'in' | 'notin' | 'exists' | '!' | 'gt' | 'lt';

export interface LabelRequirement {
  key: string;
  operator: LabelOperator;
  /** Sorted, without duplicates. */
  values: readonly string[];
}

/** Throws SelectorSyntaxError. Requirements come back sorted by key. */
export function parseLabelRequirements(text: string): LabelRequirement[] {
  const tokens = tokenize(text);
  const requirements: LabelRequirement[] = [];
  let at = 0;
  // After a key `in` and `notin` are operators; everywhere else they are ordinary words.
  const peek = (): Token => asWord(tokens[at]!);
  const take = (): Token => asWord(tokens[at < tokens.length - 1 ? at++ : at]!);

  const parseRequirement = (): LabelRequirement => {
    let token = take();
    const negated = token.kind === '!';
    if (negated) token = take();
    if (token.kind !== 'word') fail(`found '${token.text}', expected: identifier`);
    const key = token.text;
    const keyErrors = qualifiedNameErrors(key);
    if (keyErrors.length) fail(`<nil>: Invalid value: ${JSON.stringify(key)}: ${keyErrors.join('; ')}`);
    const next = peek().kind;
    if (next === 'end' || next === ',') return { key, operator: negated ? '!' : 'exists', values: [] };

    const raw = tokens[at < tokens.length - 1 ? at++ : at]!;
    const operator = operatorOf[raw.kind];
    if (!operator) fail(`found '${raw.text}', expected: in, notin, =, ==, !=, gt, lt`);
    const values = operator === 'in' || operator === 'notin' ? parseSet() : [parseExact()];
    const unique = [...new Set(values)].sort();
    checkValues(key, operator, unique);
    return { key, operator, values: unique };
  };

  const parseExact = (): string => {
    const next = peek();
    if (next.kind === 'end' || next.kind === ',') return '';
    const token = take();
    if (token.kind !== 'word') fail(`found '${token.text}', expected: identifier`);
    return token.text;
  };

  const parseSet = (): string[] => {
    const open = take();
    if (open.kind !== '(') fail(`found '${open.text}' expected: '('`);
    const values: string[] = [];
    if (peek().kind === ')') {
      take();
      return [''];
    }
    // A value may be empty: `(,a)`, `(a,,b)` and `(a,)` all hold ''.
    for (;;) {
      const token = take();
      if (token.kind === 'word') {
        values.push(token.text);
        const after = peek();
        if (after.kind !== ',' && after.kind !== ')') fail(`found '${after.text}', expected: ',' or ')'`);
        if (take().kind === ')') return values;
        if (peek().kind === ')') {
          take();
          return [...values, ''];
        }
      } else if (token.kind === ',') {
        values.push('');
        if (peek().kind === ')') {
          take();
          return values;
        }
      } else if (values.length === 0) {
        fail(`found '${token.text}', expected: ',', ')' or identifier`);
      } else {
        fail(`found '${token.text}', expected: ',', or identifier`);
      }
    }
  };

  while (peek().kind !== 'end') {
    const token = peek();
    if (token.kind !== 'word' && token.kind !== '!') {
      throw new SelectorSyntaxError(`found '${token.text}', expected: !, identifier, or 'end of string'`);
    }
    requirements.push(parseRequirement());
    const separator = take();
    if (separator.kind === 'end') break;
    if (separator.kind !== ',') {
      throw new SelectorSyntaxError(`found '${separator.text}', expected: ',' or 'end of string'`);
    }
    const after = peek();
    if (after.kind !== 'word' && after.kind !== '!') {
      throw new SelectorSyntaxError(`found '${after.text}', expected: identifier after ','`);
    }
  }
  return requirements.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

/** A selector that cannot be read; the message is what upstream answers with 400. */
export class SelectorSyntaxError extends Error {
  override name = 'SelectorSyntaxError';
}

function fail(what: string): never {
  throw new SelectorSyntaxError(`unable to parse requirement: ${what}`);
}

function checkValues(key: string, operator: LabelOperator, values: readonly string[]): void {
  const errors: string[] = [];
  for (const [i, value] of values.entries()) {
    if ((operator === 'gt' || operator === 'lt') && !isInt64(value)) {
      errors.push(
        `values[${i}]: Invalid value: ${JSON.stringify(value)}: for 'Gt', 'Lt' operators, the value must be an integer`,
      );
    }
  }
  for (const [i, value] of values.entries()) {
    const wrong = labelValueErrors(value);
    if (wrong.length) errors.push(`values[${i}][${key}]: Invalid value: ${JSON.stringify(value)}: ${wrong.join('; ')}`);
  }
  if (errors.length) fail(errors.length === 1 ? errors[0]! : `[${errors.join(', ')}]`);
}

export function isInt64(text: string): boolean {
  if (!/^[-+]?\d+$/.test(text)) return false;
  if (text.length < 18) return true;
  const value = BigInt(text.replace('+', ''));
  return value === BigInt.asIntN(64, value);
}

type TokenKind = 'word' | 'end' | '=' | '==' | '!=' | '!' | '<' | '>' | '(' | ')' | ',' | 'in' | 'notin';
interface Token {
  kind: TokenKind;
  text: string;
}

const operatorOf: Partial<Record<TokenKind, LabelOperator>> = {
  '=': '=',
  '==': '==',
  '!=': '!=',
  in: 'in',
  notin: 'notin',
  '>': 'gt',
  '<': 'lt',
};

function asWord(token: Token): Token {
  return token.kind === 'in' || token.kind === 'notin' ? { kind: 'word', text: token.text } : token;
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  for (const [, symbol, word] of text.matchAll(/[ \t\r\n]+|(==|!=|[=!<>(),])|([^ \t\r\n=!<>(),]+)/g)) {
    if (symbol) tokens.push({ kind: symbol as TokenKind, text: symbol });
    else if (word) tokens.push({ kind: word === 'in' || word === 'notin' ? word : 'word', text: word });
  }
  tokens.push({ kind: 'end', text: '' });
  return tokens;
}
