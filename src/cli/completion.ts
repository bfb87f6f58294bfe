/**
 * Completion scripts for shells, from the table of commands and their flags: what a shell offers is what the program
 * takes. Plain data in, text out.
 */
import type { FlagSpec } from '#base/flags.ts';

export interface CompletedCommand {
  name: string;
  about: string;
  flags: readonly FlagSpec[];
  /** What may follow the command, instead of flags. */
  words?: readonly string[];
}

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

export function completionScript(shell: Shell, program: string, commands: readonly CompletedCommand[]): string {
  return { bash, zsh, fish }[shell](program, commands);
}

/** Every flag a person would choose; those taken for compatibility only are left out, as in --help. */
function shownFlags(command: CompletedCommand): FlagSpec[] {
  const help: FlagSpec = { name: 'help', kind: 'bool', description: 'what it does, and its flags' };
  return [...command.flags.filter((f) => !f.inert && !f.hidden), help];
}

const takesValue = (flag: FlagSpec) => flag.kind !== 'bool';

function bash(program: string, commands: readonly CompletedCommand[]): string {
  const cases = commands.map((command) => {
    const flags = shownFlags(command);
    const valued = flags
      .filter(takesValue)
      .flatMap((f) => [`--${f.name}`, ...(f.shorthand ? [`-${f.shorthand}`] : [])]);
    const words = [...(command.words ?? []), ...flags.map((f) => `--${f.name}`)];
    return `    ${command.name})
      words='${words.join(' ')}'
      valued=' ${valued.join(' ')} '
      ;;`;
  });
  return `# bash completion of ${program}: source <(${program} completion bash)
_${program}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" words= valued=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${commands.map((c) => c.name).join(' ')}' -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
  esac
  # A value: left to the shell, which knows files.
  case "$valued" in *" $previous "*) return ;; esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _${program} ${program}
`;
}

function zsh(program: string, commands: readonly CompletedCommand[]): string {
  const cases = commands.map((command) => {
    const flags = shownFlags(command).map((flag) => {
      const about = flag.description.replace(/[[\]\\]/g, '\\$&');
      // The trailing = also takes the value as the next word.
      return `      ${zshQuoted(`--${flag.name}${takesValue(flag) ? '=' : ''}[${about}]${takesValue(flag) ? `:${flag.kind}:_files` : ''}`)}`;
    });
    const words = command.words ? [`      '1:word:(${command.words.join(' ')})'`] : [];
    return `    ${command.name}) _arguments \\\n${[...words, ...flags].join(' \\\n')} ;;`;
  });
  return `#compdef ${program}
# zsh completion of ${program}: source <(${program} completion zsh)
_${program}() {
  local -a commands=(
${commands.map((c) => `    ${zshQuoted(`${c.name}:${c.about}`)}`).join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command="\${words[2]}"
  shift words
  (( CURRENT-- ))
  case "$command" in
${cases.join('\n')}
  esac
}
compdef _${program} ${program}
`;
}

function fish(program: string, commands: readonly CompletedCommand[]): string {
  const lines = [`# fish completion of ${program}: ${program} completion fish | source`, `complete -c ${program} -f`];
  for (const command of commands) {
    lines.push(`complete -c ${program} -n __fish_use_subcommand -a ${command.name} -d ${fishQuoted(command.about)}`);
    const here = `complete -c ${program} -n '__fish_seen_subcommand_from ${command.name}'`;
    if (command.words) lines.push(`${here} -a '${command.words.join(' ')}'`);
    for (const flag of shownFlags(command)) {
      const short = flag.shorthand ? ` -s ${flag.shorthand}` : '';
      const value = takesValue(flag) ? ' -r -F' : '';
      lines.push(`${here} -l ${flag.name}${short}${value} -d ${fishQuoted(flag.description)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

const zshQuoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
const fishQuoted = (text: string) => `'${text.replace(/[\\']/g, '\\$&')}'`;
