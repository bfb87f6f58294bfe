/**
 * Command-line flags in pflag's grammar, because evenkeel must take upstream components' command lines as they are:
 * `--name=value`, `--name value`, `--switch`, `--switch=false`, `-h`; later values of a scalar win, lists add up.
 * A flag upstream has and we do not need (`inert`) is accepted with one warning; an invented one is refused with the
 * nearest real name.
 */
export type FlagKind = 'string' | 'bool' | 'int' | 'duration' | 'strings' | 'map';

export interface FlagSpec {
  name: string;
  kind: FlagKind;
  description: string;
  /** In the flag's own text form, as on the command line: `15s`, `true`, `a,b`. */
  default?: string;
  shorthand?: string;
  /** Bounds of an int, or of a duration in milliseconds. */
  min?: number;
  max?: number;
  /** Real upstream, without meaning here. */
  inert?: boolean;
  /** Accepted, left out of --help. */
  hidden?: boolean;
}

/** Wrong use of the command line: one line for the user, exit status 2. */
export class UsageError extends Error {
  override name = 'UsageError';
}

export interface ParsedFlags {
  string(name: string): string;
  bool(name: string): boolean;
  int(name: string): number;
  /** Milliseconds. */
  durationMs(name: string): number;
  strings(name: string): string[];
  map(name: string): Map<string, string>;
  /** Given on the command line, not defaulted. */
  has(name: string): boolean;
  /** Arguments that are not flags, and all after `--`. */
  positional: string[];
  /** One line each: inert flags that were given. */
  warnings: string[];
  help: boolean;
}

export function parseFlags(specs: readonly FlagSpec[], argv: readonly string[]): ParsedFlags {
  const byName = new Map(specs.map((s) => [s.name, s]));
  const byShorthand = new Map(specs.filter((s) => s.shorthand).map((s) => [s.shorthand!, s]));
  const given = new Map<string, string[]>();
  const positional: string[] = [];
  const warnings: string[] = [];
  let help = false;

  for (let i = 0; i < argv.length; i++) {
    const arg = argv[i]!;
    if (arg === '--') {
      positional.push(...argv.slice(i + 1));
      break;
    }
    if (arg === '-h' || arg === '--help') {
      help = true;
      continue;
    }
    if (!arg.startsWith('-') || arg === '-') {
      positional.push(arg);
      continue;
    }
    const equals = arg.indexOf('=');
    const name = arg.slice(arg.startsWith('--') ? 2 : 1, equals < 0 ? undefined : equals);
    const spec = byName.get(name) ?? (arg.startsWith('--') ? undefined : byShorthand.get(name));
    if (!spec)
      throw new UsageError(`unknown flag: ${arg.startsWith('--') ? '--' : '-'}${name}${suggestion(name, specs)}`);
    let value: string;
    if (equals >= 0) value = arg.slice(equals + 1);
    else if (spec.kind === 'bool') value = 'true';
    else {
      const next = argv[++i];
      if (next === undefined) throw new UsageError(`flag needs a value: --${spec.name}`);
      value = next;
    }
    check(spec, value);
    if (spec.inert && !given.has(spec.name)) warnings.push(`--${spec.name} has no effect in evenkeel`);
    const before = given.get(spec.name) ?? [];
    given.set(spec.name, [...before, value]);
  }

  const texts = (name: string): string[] => {
    const spec = byName.get(name);
    if (!spec) throw new Error(`no flag --${name} is declared`);
    return given.get(name) ?? (spec.default === undefined || spec.default === '' ? [] : [spec.default]);
  };
  const last = (name: string): string => texts(name).at(-1) ?? '';
  const parts = (name: string): string[] =>
    texts(name)
      .flatMap((t) => t.split(','))
      .map((t) => t.trim())
      .filter((t) => t !== '');
  return {
    string: last,
    bool: (name) => last(name) !== '' && parseBool(last(name))!,
    int: (name) => Number(last(name) || '0'),
    durationMs: (name) => parseDuration(last(name) || '0s')!,
    strings: parts,
    map: (name) =>
      new Map(
        parts(name).map((p) => {
          const eq = p.indexOf('=');
          return eq < 0 ? [p, ''] : [p.slice(0, eq), p.slice(eq + 1)];
        }),
      ),
    has: (name) => given.has(name),
    positional,
    warnings,
    help,
  };
}

const [usageColumns, usageHeadColumns] = [100, 40];

/** Usage text: two columns, defaults in brackets; descriptions are wrapped, and start a line below a long name. */
export function formatFlags(specs: readonly FlagSpec[]): string {
  const shown = specs.filter((s) => !s.inert && !s.hidden);
  const heads = shown.map(
    (s) => `${s.shorthand ? `-${s.shorthand}, ` : ''}--${s.name}${s.kind === 'bool' ? '' : ` ${s.kind}`}`,
  );
  const width = Math.max(0, ...heads.map((h) => h.length).filter((length) => length <= usageHeadColumns));
  const indent = ' '.repeat(2 + width + 2);
  return shown
    .map((s, i) => {
      const isDefaultShown = s.default !== undefined && s.default !== '' && s.default !== 'false';
      const text = `${s.description}${isDefaultShown ? ` [${s.default}]` : ''}`;
      const head = heads[i]!.length > width ? `  ${heads[i]}\n${indent}` : `  ${heads[i]!.padEnd(width)}  `;
      return head + wrap(text, usageColumns - indent.length).join(`\n${indent}`);
    })
    .join('\n');
}

function wrap(text: string, columns: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1)!;
    if (line !== '' && line.length + 1 + word.length > columns) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines;
}

/** Go's duration grammar (`1h30m`, `500ms`, `0`); milliseconds, or undefined if it is none. */
export function parseDuration(text: string): number | undefined {
  if (/^[-+]?0$/.test(text)) return 0;
  const match = /^([-+]?)((?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h))+$/.exec(text);
  if (!match) return undefined;
  let total = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/g)) {
    total += Number(number) * unitMs[unit!]!;
  }
  return match[1] === '-' ? -total : total;
}
const unitMs: Record<string, number> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function parseBool(text: string): boolean | undefined {
  if (/^(1|t|T|true|TRUE|True)$/.test(text)) return true;
  if (/^(0|f|F|false|FALSE|False)$/.test(text)) return false;
  return undefined;
}

function check(spec: FlagSpec, value: string): void {
  const fail = (what: string) => {
    throw new UsageError(`invalid value ${JSON.stringify(value)} for --${spec.name}: ${what}`);
  };
  if (spec.kind === 'bool' && parseBool(value) === undefined) fail('give true or false');
  if (spec.kind === 'int') {
    if (!/^[-+]?\d+$/.test(value)) fail('give a whole number');
    checkBounds(spec, Number(value), String, fail);
  }
  if (spec.kind === 'duration') {
    const duration = parseDuration(value);
    if (duration === undefined) fail('give a duration such as 15s or 1m30s');
    else checkBounds(spec, duration, (ms) => `${ms / 1000}s`, fail);
  }
  if (spec.kind === 'map' && value !== '' && !value.split(',').every((p) => p.includes('='))) {
    fail('give key=value pairs, separated by commas');
  }
}

function checkBounds(
  { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY }: FlagSpec,
  value: number,
  text: (bound: number) => string,
  fail: (what: string) => void,
): void {
  if (value >= min && value <= max) return;
  if (max === Number.POSITIVE_INFINITY) fail(`give ${text(min)} or more`);
  else if (min === Number.NEGATIVE_INFINITY) fail(`give ${text(max)} or less`);
  else fail(`give ${text(min)} to ${text(max)}`);
}

function suggestion(name: string, specs: readonly FlagSpec[]): string {
  let best: { name: string; distance: number } | undefined;
  for (const s of specs) {
    const distance = editDistance(name, s.name);
    if (!best || distance < best.distance) best = { name: s.name, distance };
  }
  return best && best.distance <= Math.max(2, name.length / 3) ? `; did you mean --${best.name}?` : '; see --help';
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
