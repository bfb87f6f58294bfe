/** Reads JSON character by character, to find what JSON.parse does not tell; complains as Go's encoding/json does. */

export type FloatLiterals = ReadonlyMap<string, string>;

export interface JsonScan {
  error: string | undefined;
  duplicateFields: string[];
  floatLiterals: FloatLiterals;
}

/** Never throws. After an error the findings so far are given. */
export function scanJson(text: string): JsonScan {
  const scanner = new JsonScanner(text);
  let error: string | undefined;
  try {
    scanner.document();
  } catch (cause) {
    error = cause instanceof RangeError ? 'exceeded max depth' : (cause as Error).message;
  }
  return { error, duplicateFields: [...scanner.duplicateFields], floatLiterals: scanner.floatLiterals };
}

class JsonScanner {
  readonly duplicateFields = new Set<string>();
  readonly floatLiterals = new Map<string, string>();
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): void {
    this.#value('');
    this.#space();
    if (this.#at < this.#text.length) this.#fail('after top-level value');
  }

  #value(path: string): void {
    this.#space();
    const char = this.#text[this.#at];
    if (char === '{') this.#object(path);
    else if (char === '[') this.#array(path);
    else if (char === '"') this.#string();
    else if (char === 't') this.#literal('true');
    else if (char === 'f') this.#literal('false');
    else if (char === 'n') this.#literal('null');
    else if (char !== undefined && /[-0-9]/.test(char)) this.#number(path);
    else this.#fail('looking for beginning of value');
  }

  #object(path: string): void {
    const keys = new Set<string>();
    this.#at++;
    this.#space();
    if (this.#take('}')) return;
    for (;;) {
      this.#space();
      if (this.#text[this.#at] !== '"') this.#fail('looking for beginning of object key string');
      const key = this.#string();
      const keyPath = path === '' ? key : `${path}.${key}`;
      if (keys.has(key)) this.duplicateFields.add(keyPath);
      keys.add(key);
      this.#space();
      if (!this.#take(':')) this.#fail('after object key');
      this.#value(keyPath);
      this.#space();
      if (this.#take('}')) return;
      if (!this.#take(',')) this.#fail('after object key:value pair');
    }
  }

  #array(path: string): void {
    this.#at++;
    this.#space();
    if (this.#take(']')) return;
    for (let i = 0; ; i++) {
      this.#value(`${path}[${i}]`);
      this.#space();
      if (this.#take(']')) return;
      if (!this.#take(',')) this.#fail('after array element');
    }
  }

  #string(): string {
    const start = this.#at++;
    for (;;) {
      const char = this.#text[this.#at];
      if (char === '"') break;
      if (char === undefined || char < ' ') this.#fail('in string literal');
      if (char === '\\') {
        this.#at++;
        const escaped = this.#text[this.#at];
        if (escaped === undefined || !'"\\/bfnrtu'.includes(escaped)) this.#fail('in string escape code');
        for (let i = 0; escaped === 'u' && i < 4; i++) {
          this.#at++;
          if (!/[0-9a-fA-F]/.test(this.#text[this.#at] ?? '')) this.#fail('in \\u hexadecimal character escape');
        }
      }
      this.#at++;
    }
    this.#at++;
    return JSON.parse(this.#text.slice(start, this.#at));
  }

  #literal(word: string): void {
    for (let i = 0; i < word.length; i++) {
      if (this.#text[this.#at] !== word[i]) this.#fail(`in literal ${word} (expecting '${word[i]}')`);
      this.#at++;
    }
  }

  #number(path: string): void {
    const start = this.#at;
    this.#take('-');
    if (!this.#take('0')) this.#digits('in numeric literal');
    if (this.#take('.')) this.#digits('after decimal point in numeric literal');
    if (this.#take('e') || this.#take('E')) {
      if (!this.#take('-')) this.#take('+');
      this.#digits('in exponent of numeric literal');
    }
    const literal = this.#text.slice(start, this.#at);
    if (/[.eE]/.test(literal) && Number.isInteger(Number(literal))) this.floatLiterals.set(path, literal);
  }

  #digits(where: string): void {
    if (!/[0-9]/.test(this.#text[this.#at] ?? '')) this.#fail(where);
    while (/[0-9]/.test(this.#text[this.#at] ?? '')) this.#at++;
  }

  #space(): void {
    while (this.#at < this.#text.length && ' \t\r\n'.includes(this.#text[this.#at]!)) this.#at++;
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #fail(where: string): never {
    const char = this.#text[this.#at];
    if (char === undefined) throw new Error('unexpected end of JSON input');
    const shown = char === "'" ? "'\\''" : char === '"' ? `'"'` : `'${JSON.stringify(char).slice(1, -1)}'`;
    throw new Error(`invalid character ${shown} ${where}`);
  }
}
