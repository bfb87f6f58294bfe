/** `evenkeel store snapshot status`: what is in a snapshot, of ours or of etcd. */
import { type FlagSpec, formatFlags, parseFlags, UsageError } from '#base/flags.ts';
import { humanBytes } from '#cli/human-bytes.ts';
import { openSource } from '#store/snapshot/source.ts';
import { type SnapshotStatus, snapshotStatus } from '#store/snapshot/status.ts';
import { onlyArgument, skipHashCheckFlag, withProgress } from './store-transfer.ts';

export const about = 'hash, revision and size of a snapshot';

const outputs = { simple, json, table };

export const flags: readonly FlagSpec[] = [
  { name: 'output', kind: 'string', description: 'simple, json or table', default: 'simple', shorthand: 'o' },
  skipHashCheckFlag,
];

export async function run(argv: string[], name: string, signal: AbortSignal): Promise<void> {
  const parsed = parseFlags(flags, argv);
  if (parsed.help) return void process.stdout.write(usage(name));
  const file = onlyArgument(parsed, 'the FILE to look at');
  const output = parsed.string('output');
  if (!Object.hasOwn(outputs, output)) throw new UsageError(`--output takes simple, json or table, not ${output}`);
  const { result } = await withProgress('read', signal, async (pace) => {
    const contents = await openSource(file, { skipHashCheck: parsed.bool('skip-hash-check'), pace });
    try {
      return await snapshotStatus(contents, pace);
    } finally {
      contents.close();
    }
  });
  process.stdout.write(outputs[output as keyof typeof outputs](result));
}

const columns = (s: SnapshotStatus) => [
  s.hash.toString(16),
  String(s.revision),
  String(s.totalKey),
  humanBytes(s.totalSize),
];

function simple(status: SnapshotStatus): string {
  return `${columns(status).join(', ')}\n`;
}

function json(status: SnapshotStatus): string {
  return `${JSON.stringify(status)}\n`;
}

function table(status: SnapshotStatus): string {
  const heads = ['HASH', 'REVISION', 'TOTAL KEYS', 'TOTAL SIZE'];
  const cells = columns(status);
  const widths = heads.map((head, i) => Math.max(head.length, cells[i]!.length));
  const line = `+${widths.map((width) => '-'.repeat(width + 2)).join('+')}+`;
  const row = (texts: string[]) => `|${texts.map((text, i) => ` ${centred(text, widths[i]!)} `).join('|')}|`;
  return `${[line, row(heads), line, row(cells), line].join('\n')}\n`;
}

function centred(text: string, width: number): string {
  return text.padStart(text.length + Math.ceil((width - text.length) / 2)).padEnd(width);
}

function usage(name: string): string {
  return `What is in a snapshot, of the embedded store or of etcd, as etcdctl says it: a hash of the content,
the revision, how many entries, and the size. An embedded store's is hashed as if it were etcd's.

Usage:
  ${name} FILE [flags]

Examples:
  ${name} monday.db
  ${name} monday.db --output json | jq .revision

Flags:
${formatFlags(flags)}
`;
}
