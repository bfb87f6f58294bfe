/** `evenkeel store`: snapshots of stores, restored and moved between the embedded store and etcd. */
import type { FlagSpec } from '#base/flags.ts';
import { UsageError } from '#base/flags.ts';
import { runProcess } from './process.ts';
import * as migrate from './store-migrate.ts';
import * as restore from './store-restore.ts';
import * as save from './store-save.ts';
import * as status from './store-status.ts';

export interface Subcommand {
  about: string;
  flags: readonly FlagSpec[];
  run(argv: string[], name: string, signal: AbortSignal): Promise<void>;
}

const subcommands: Record<string, Subcommand> = {
  'snapshot save': save,
  'snapshot status': status,
  'snapshot restore': restore,
  migrate,
};

export const words = ['snapshot', 'migrate', 'save', 'status', 'restore'];
export const flags: FlagSpec[] = [
  ...new Map(Object.values(subcommands).flatMap((s) => s.flags.map((flag) => [flag.name, flag]))).values(),
];

export function main(argv: string[], name: string): Promise<never> {
  const found = Object.keys(subcommands).find((words) => argv.slice(0, words.split(' ').length).join(' ') === words);
  const full = found ? `${name} ${found}` : name;
  return runProcess(full, async (signal) => {
    if (found) return subcommands[found]!.run(argv.slice(found.split(' ').length), full, signal);
    const isHelp = argv.length === 0 || argv.includes('--help') || argv.includes('-h');
    if (!isHelp) throw new UsageError(`give one of: ${Object.keys(subcommands).join(', ')}; see --help`);
    process.stdout.write(usage(name));
  });
}

function usage(name: string): string {
  const list = Object.entries(subcommands).map(([words, { about }]) => `  ${words.padEnd(20)}${about}`);
  return `Snapshots of a store: taken, looked at, restored, and moved between the embedded store and etcd.

Usage:
  ${name} COMMAND [flags]

Commands:
${list.join('\n')}

Examples:
  ${name} snapshot save monday.db
  ${name} snapshot status monday.db --output table
  ${name} snapshot restore monday.db --data-dir DIR \\
    --bump-revision 1000000000 --mark-compacted
  ${name} migrate --from monday.db --to etcd-snapshot --output for-etcd.db
  ${name} snapshot restore --help
`;
}
