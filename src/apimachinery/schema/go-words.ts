/** Go's names of types, and the sentences its decoders make with them. */

/** Where Go's decoder stands: the innermost struct and the JSON names of the fields on the way, without indexes. */
export interface GoContext {
  struct: string;
  fields: string;
  /** Go package that unqualified type names belong to. */
  package: string;
}

/** From Go's JSON decoder. `what` is the kind of the value, or `number 1.5`. */
export function unmarshalTypeError(what: string, go: string, context: GoContext): string {
  const type = goTypeText(go, context.package);
  return context.struct === ''
    ? `json: cannot unmarshal ${what} into Go value of type ${type}`
    : `json: cannot unmarshal ${what} into Go struct field ${context.struct}.${context.fields} of type ${type}`;
}

export function jsonKindOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

/** `[]Container` and `map[string]Container` hold `Container`; a named list or map does not tell. */
export function elementOf(go: string): string {
  const bare = go.replace(/^\*/, '');
  const match = /^(?:\[\]|map\[[^\]]*\])(.*)$/.exec(bare);
  return match ? match[1]! : 'string';
}

/** The type as Go prints it: `*DeploymentStrategy` is `v1.DeploymentStrategy`, `[]byte` is `[]uint8`. */
function goTypeText(go: string, goPackage: string): string {
  const bare = go.replace(/^\*/, '');
  const composite = /^(\[\]|map\[[^\]]*\])(.*)$/.exec(bare);
  if (composite) {
    const head = composite[1]!.replace(/^map\[(.*)\]$/, (_, key) => `map[${goTypeText(key, goPackage)}]`);
    return head + goTypeText(composite[2]!, goPackage);
  }
  if (bare === 'byte') return 'uint8';
  if (/^[a-z0-9]+$/.test(bare)) return bare;
  const dot = bare.indexOf('.');
  if (dot < 0) return `${goPackage}.${bare}`;
  const alias = bare.slice(0, dot);
  return `${alias === 'metav1' || alias === 'corev1' ? 'v1' : alias}${bare.slice(dot)}`;
}

/** The byte at which Go's decoder stops, line breaks counted. */
export function illegalBase64At(text: string): number | undefined {
  let digits = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (char === '\n' || char === '\r') continue;
    if (char === '=') {
      const wanted = digits % 4 === 2 ? 2 : digits % 4 === 3 ? 1 : 0;
      const rest = text.slice(i).replace(/[\r\n]/g, '');
      if (wanted === 0) return i;
      if (rest.length < wanted) return text.length;
      if (!rest.startsWith('='.repeat(wanted))) return i + 1;
      return rest.length > wanted ? i + wanted : undefined;
    }
    if (!/[A-Za-z0-9+/]/.test(char)) return i;
    digits++;
  }
  return digits % 4 === 0 ? undefined : text.length - (digits % 4);
}

/** From the converter of generic maps to structs, which knows no fields. `target` is what the field should hold. */
export function restoreError(
  value: unknown,
  target: 'struct' | 'map' | 'slice' | 'scalar',
  go: string,
  goPackage: string,
): string {
  const kind = Array.isArray(value)
    ? 'slice'
    : typeof value === 'object'
      ? 'map'
      : typeof value === 'boolean'
        ? 'bool'
        : typeof value === 'number'
          ? Number.isInteger(value)
            ? 'int64'
            : 'float64'
          : 'string';
  if (target === 'struct') return `cannot restore struct from: ${kind}`;
  if (target !== 'scalar') return `cannot restore ${target} from ${kind}`;
  return `cannot convert ${kind} to ${goTypeText(go, goPackage)}`;
}
