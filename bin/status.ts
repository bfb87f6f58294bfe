/** `evenkeel status`: what runs in a data directory, and who leads. Exit status 3 when it is not running. */
import { type FlagSpec, formatFlags, parseFlags, UsageError } from '#base/flags.ts';
import { statusPanel } from '#cli/panel.ts';
import { styleFor } from '#cli/style.ts';
import { dataDirAt } from '#controlplane/data-dir.ts';
import { statusOf } from '#controlplane/status.ts';
import { realClock } from '#os/real-clock.ts';
import { connect, dataDirFlag, dataDirOf } from './local.ts';
import { runProcess } from './process.ts';

export const flags: FlagSpec[] = [
  dataDirFlag,
  { name: 'output', kind: 'string', description: 'text or json', default: 'text', shorthand: 'o' },
];

export function main(argv: string[], name: string): Promise<never> {
  return runProcess(name, async () => {
    const parsed = parseFlags(flags, argv);
    if (parsed.help) return void process.stdout.write(usage(name));
    if (parsed.positional.length > 0) throw new UsageError(`unexpected argument "${parsed.positional[0]}": see --help`);
    const output = parsed.string('output');
    if (output !== 'text' && output !== 'json') throw new UsageError(`--output takes text or json, not ${output}`);
    const status = await statusOf(dataDirAt(dataDirOf(parsed)), connect, realClock);
    if (output === 'json') process.stdout.write(`${JSON.stringify(status, null, 2)}\n`);
    else {
      const masters = status.masters.map((m) => {
        const state = m.node === 'NotReady' ? `${m.apiserver}, its node is not` : m.apiserver;
        return { name: m.name, address: m.address, state };
      });
      process.stdout.write(statusPanel({ ...status, masters }, styleFor(process.stdout, process.env)));
    }
    if (!status.running) process.exit(3);
  });
}

function usage(name: string): string {
  return `What runs in a data directory, and who leads.

Usage:
  ${name} [flags]

Examples:
  ${name}
  ${name} --output json | jq .leaders

Flags:
${formatFlags(flags)}
`;
}
