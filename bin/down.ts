/** `evenkeel down`: stops what runs in a data directory, also what a killed `up` left behind. */
import { type FlagSpec, formatFlags, parseFlags, UsageError } from '#base/flags.ts';
import { dataDirAt } from '#controlplane/data-dir.ts';
import { down } from '#controlplane/down.ts';
import { realClock } from '#os/real-clock.ts';
import { dataDirFlag, dataDirOf } from './local.ts';
import { runProcess } from './process.ts';

export const flags: FlagSpec[] = [
  dataDirFlag,
  { name: 'timeout', kind: 'duration', description: 'kill what has not ended by itself after this', default: '45s' },
];

export function main(argv: string[], name: string): Promise<never> {
  return runProcess(name, async () => {
    const parsed = parseFlags(flags, argv);
    if (parsed.help) {
      process.stdout.write(`Stop the control plane of a data directory. Its data is kept.

Usage:
  ${name} [flags]

Examples:
  ${name}
  ${name} --data-dir /tmp/second

Flags:
${formatFlags(flags)}
`);
      return;
    }
    if (parsed.positional.length > 0) throw new UsageError(`unexpected argument "${parsed.positional[0]}": see --help`);
    const wasRunning = await down(dataDirAt(dataDirOf(parsed)), realClock, parsed.durationMs('timeout'));
    process.stdout.write(wasRunning ? 'stopped; the data is kept\n' : 'nothing was running\n');
  });
}
