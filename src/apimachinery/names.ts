/**
 * Which names are allowed: DNS labels and subdomains, qualified names, label values. Each check returns upstream's
 * texts (apimachinery util/validation), none when the value is good.
 */

/** How `metadata.name` of a resource is checked. `rbac` names are path segments, like `path-segment`. */
export type NameRule = 'dns-subdomain' | 'dns-label' | 'dns-1035-label' | 'path-segment' | 'rbac';

/** `prefix`: the value is a generateName, to which a suffix will be added. */
export function nameErrors(rule: NameRule, name: string, prefix = false): string[] {
  switch (rule) {
    case 'dns-subdomain':
      return dns1123SubdomainErrors(prefix ? maskTrailingDash(name) : name);
    case 'dns-label':
      return dns1123LabelErrors(prefix ? maskTrailingDash(name) : name);
    case 'dns-1035-label':
      return dns1035LabelErrors(prefix ? maskTrailingDash(name) : name);
    default:
      return pathSegmentErrors(name, prefix);
  }
}

export const labelMaxLength = 63;
export const subdomainMaxLength = 253;

const suffixAlphabet = 'bcdfghjklmnpqrstvwxz2456789';
const suffixLength = 5;
const generateNameBaseMax = labelMaxLength - suffixLength;

/** `web-` becomes `web-x7k2p`. No vowels, so that no words come out. `random` is in [0, 1). */
export function generateName(base: string, random: () => number): string {
  return base.slice(0, generateNameBaseMax) + randomSuffix(suffixLength, random);
}

export function randomSuffix(length: number, random: () => number): string {
  let suffix = '';
  for (let i = 0; i < length; i++) suffix += suffixAlphabet[Math.floor(random() * suffixAlphabet.length)];
  return suffix;
}

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const label1035 = '[a-z]([-a-z0-9]*[a-z0-9])?';
const qualifiedPart = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const subdomain = `${label}(\\.${label})*`;
const labelRegex = new RegExp(`^${label}$`);
const label1035Regex = new RegExp(`^${label1035}$`);
const subdomainRegex = new RegExp(`^${subdomain}$`);
const qualifiedPartRegex = new RegExp(`^${qualifiedPart}$`);

export function dns1123LabelErrors(value: string): string[] {
  const errors = lengthErrors(value, labelMaxLength);
  if (labelRegex.test(value)) return errors;
  if (subdomainRegex.test(value)) errors.push('must not contain dots');
  else {
    errors.push(
      regexError(
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
        label,
        'my-name',
        '123-abc',
      ),
    );
  }
  return errors;
}

export function dns1123SubdomainErrors(value: string, unit: LengthUnit = 'characters'): string[] {
  const errors = lengthErrors(value, subdomainMaxLength, unit);
  if (!subdomainRegex.test(value)) {
    errors.push(
      regexError(
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
        subdomain,
        'example.com',
      ),
    );
  }
  return errors;
}

export function dns1035LabelErrors(value: string): string[] {
  const errors = lengthErrors(value, labelMaxLength);
  if (!label1035Regex.test(value)) {
    errors.push(
      regexError(
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
        label1035,
        'my-name',
        'abc-123',
      ),
    );
  }
  return errors;
}

/** Label keys, annotation keys (lower-cased by the caller), finalizers: `[subdomain/]name`. */
export function qualifiedNameErrors(value: string): string[] {
  const parts = value.split('/');
  const rule = regexError(
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    qualifiedPart,
    'MyName',
    'my.name',
    '123-abc',
  );
  if (parts.length > 2) {
    return [`a qualified name ${rule} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`];
  }
  const errors: string[] = [];
  if (parts.length === 2) {
    if (parts[0] === '') errors.push('prefix part must be non-empty');
    else errors.push(...dns1123SubdomainErrors(parts[0]!, 'bytes').map((e) => `prefix part ${e}`));
  }
  const name = parts.at(-1)!;
  if (name === '') errors.push('name part must be non-empty');
  else if (name.length > labelMaxLength) errors.push(`name part ${tooLong(labelMaxLength, 'bytes')}`);
  if (!qualifiedPartRegex.test(name)) errors.push(`name part ${rule}`);
  return errors;
}

export function labelValueErrors(value: string): string[] {
  const errors = lengthErrors(value, labelMaxLength, 'bytes');
  if (value !== '' && !qualifiedPartRegex.test(value)) {
    errors.push(
      regexError(
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
        `(${qualifiedPart})?`,
        'MyValue',
        'my_value',
        '12345',
      ),
    );
  }
  return errors;
}

/** What can stand between two slashes of a URL. */
export function pathSegmentErrors(value: string, prefix = false): string[] {
  if (!prefix && (value === '.' || value === '..')) return [`may not be '${value}'`];
  return ['/', '%'].filter((c) => value.includes(c)).map((c) => `may not contain '${c}'`);
}

/** Upstream counts bytes in both cases, and is moving its texts from the one word to the other. */
type LengthUnit = 'bytes' | 'characters';

function lengthErrors(value: string, max: number, unit: LengthUnit = 'characters'): string[] {
  return value.length > max ? [tooLong(max, unit)] : [];
}

function tooLong(max: number, unit: LengthUnit): string {
  return `must be no more than ${max} ${unit}`;
}

function regexError(rule: string, regex: string, ...examples: string[]): string {
  return `${rule} (e.g. ${examples.map((e) => `'${e}'`).join(',  or ')}, regex used for validation is '${regex}')`;
}

/** A generateName may end in '-', because something follows; the check must not stumble over it. */
function maskTrailingDash(name: string): string {
  return name.length > 1 && name.endsWith('-') ? `${name.slice(0, -1)}a` : name;
}
