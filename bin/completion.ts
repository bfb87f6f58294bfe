/** `evenkeel completion SHELL`: prints the script that teaches a shell the commands and their flags. */
import { type FlagSpec, parseFlags, UsageError } from '#base/flags.ts';
import { type CompletedCommand, completionScript, type Shell, shells } from '#cli/completion.ts';
import type { Command } from './evenkeel.ts';
import { runProcess } from './process.ts';

export const flags: FlagSpec[] = [];
export const words = shells;

export function main(argv: string[], name: string, commands: Record<string, Command>): Promise<never> {
  return runProcess(name, async () => {
    const parsed = parseFlags(flags, argv);
    if (parsed.help) return void process.stdout.write(usage(name));
    const [shell, ...others] = parsed.positional;
    if (others.length > 0 || !shells.includes(shell as Shell)) {
      throw new UsageError(`give one shell: ${shells.join(', ')}; see --help`);
    }
    process.stdout.write(completionScript(shell as Shell, 'evenkeel', await completed(commands)));
  });
}

async function completed(commands: Record<string, Command>): Promise<CompletedCommand[]> {
  return Promise.all(
    Object.entries(commands).map(async ([name, { about, load }]) => {
      const { flags, words } = await load();
      return {
        name,
        about,
        flags: typeof flags === 'function' ? flags() : flags,
        ...(words ? { words } : {}),
      };
    }),
  );
}

function usage(name: string): string {
  return `Prints a script that completes commands and flags in your shell: ${shells.join(', ')}.

Usage:
  ${name} SHELL

Examples:
  source <(${name} bash)
  ${name} zsh > "\${fpath[1]}/_evenkeel"
  ${name} fish | source
`;
}
