/**
 * An upstream component's command line from its facts: every flag of it is accepted. Those named in `used` mean here
 * what they mean there; the rest have no effect and say so once.
 */
import type { FlagKind, FlagSpec } from '#base/flags.ts';

export interface FlagFact {
  name: string;
  type: string;
  default: string;
  hiddenFromHelp?: boolean;
}

/** Upstream's type names that read as one of our kinds; all others are strings. */
const kinds: Record<string, FlagKind> = {
  bool: 'bool',
  'version[=true]': 'bool',
  int: 'int',
  int32: 'int',
  uint: 'int',
  Level: 'int',
  duration: 'duration',
  strings: 'strings',
  stringArray: 'strings',
  int32Slice: 'strings',
  namedCertKey: 'strings',
  colonSeparatedMultimapStringString: 'map',
  mapStringString: 'map',
  stringToString: 'map',
};

/** 0: none. */
const portBounds = { min: 0, max: 65535 };

/** `used`: what --help says of the flags that have a meaning here. */
export function componentFlags(facts: readonly FlagFact[], used: Readonly<Record<string, string>>): FlagSpec[] {
  const specs = new Map<string, FlagSpec>();
  for (const flag of facts) {
    if (flag.name === 'help' || specs.has(flag.name)) continue;
    const description = used[flag.name];
    specs.set(flag.name, {
      name: flag.name,
      kind: kinds[flag.type] ?? 'string',
      description: description ?? '',
      default: flag.default.replace(/^\[(.*)\]$/, '$1'),
      ...(/(^|-)port$/.test(flag.name) && kinds[flag.type] === 'int' ? portBounds : {}),
      inert: description === undefined,
      hidden: flag.hiddenFromHelp === true,
    });
  }
  return [...specs.values()];
}
