/** `evenkeel certs`: makes what keys and certificates a data directory lacks. `up` runs it before it starts anything. */
import { OperatorError } from '#base/errors.ts';
import { type FlagSpec, formatFlags, parseFlags, UsageError } from '#base/flags.ts';
import { dataDirAt, readState } from '#controlplane/data-dir.ts';
import { ensurePki } from '#controlplane/pki.ts';
import { realClock } from '#os/real-clock.ts';
import { dataDirFlag, dataDirOf } from './local.ts';
import { runProcess } from './process.ts';

export const flags: FlagSpec[] = [dataDirFlag];

export function main(argv: string[], name: string): Promise<never> {
  return runProcess(name, async () => {
    const parsed = parseFlags(flags, argv);
    if (parsed.help) return void process.stdout.write(usage(name));
    if (parsed.positional.length > 0) throw new UsageError(`unexpected argument "${parsed.positional[0]}": see --help`);
    const dir = dataDirAt(dataDirOf(parsed));
    const spec = readState(dir);
    if (!spec)
      throw new OperatorError(`${dir.path} holds no control plane: give another --data-dir, or run evenkeel up`);
    await ensurePki(dir.pki, spec, realClock);
  });
}

function usage(name: string): string {
  return `Make the keys and certificates that a data directory lacks, and those anew that are about to expire.
The processes that run use them from their next start.

Usage:
  ${name} [flags]

Examples:
  ${name}
  ${name} --data-dir /tmp/second

Flags:
${formatFlags(flags)}
`;
}
