/** JSON as Go writes it: `<`, `>`, `&` and the two line separators are escaped, so that it is safe inside HTML. */
export function encodeJson(value: unknown): string {
  const text = JSON.stringify(value);
  return special.test(text) ? text.replace(allSpecial, escapeChar) : text;
}

const special = /[<>&\u2028\u2029]/;
const allSpecial = /[<>&\u2028\u2029]/g;
const escapeChar = (char: string) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
