/** `evenkeel store migrate`: from the embedded store to etcd and back, with all revisions, history and leases. */
import { type FlagSpec, formatFlags, parseFlags, UsageError } from '#base/flags.ts';
import { restoreToDirectory, restoreToEtcdSnapshot } from '#store/snapshot/restore.ts';
import { openSource } from '#store/snapshot/source.ts';
import { placeForStore, stoppedStore } from './store-place.ts';
import {
  bumpFlags,
  bumpOf,
  randomId,
  skipHashCheckFlag,
  summary,
  warnOfTheLog,
  warnOfUsers,
  withProgress,
} from './store-transfer.ts';

export const about = 'move a store to etcd, or from etcd to the embedded store';

export const flags: readonly FlagSpec[] = [
  {
    name: 'from',
    kind: 'string',
    description: 'a snapshot of either, or the data directory of a store or control plane that is stopped',
  },
  { name: 'to', kind: 'string', description: 'etcd-snapshot: a file for etcdctl snapshot restore; or embedded' },
  { name: 'output', kind: 'string', description: 'the file, or the new data directory' },
  ...bumpFlags,
  skipHashCheckFlag,
  { name: 'json', kind: 'bool', description: 'tell the outcome in JSON' },
];

export async function run(argv: string[], name: string, signal: AbortSignal): Promise<void> {
  const parsed = parseFlags(flags, argv);
  if (parsed.help) return void process.stdout.write(usage(name));
  const [from, to, output] = ['from', 'to', 'output'].map(parsed.string) as [string, string, string];
  if (parsed.positional.length > 0) throw new UsageError(`unexpected argument "${parsed.positional[0]}": see --help`);
  if (!from || !output) throw new UsageError('give --from, --to and --output; see --help');
  if (to !== 'etcd-snapshot' && to !== 'embedded') throw new UsageError('--to takes etcd-snapshot or embedded');
  const bumpRevision = bumpOf(parsed);
  const skipHashCheck = parsed.bool('skip-hash-check');
  const { result, seconds } = await withProgress('migrated', signal, async (pace) => {
    const place = stoppedStore(from);
    const source = await openSource(place, { skipHashCheck, pace });
    try {
      warnOfUsers(name, source);
      warnOfTheLog(name, place);
      return to === 'embedded'
        ? await restoreToDirectory(source, placeForStore(output), { bumpRevision, randomId, pace })
        : await restoreToEtcdSnapshot(source, output, { bumpRevision, pace });
    } finally {
      source.close();
    }
  });
  if (parsed.bool('json')) return void process.stdout.write(`${JSON.stringify({ to, output, ...result, seconds })}\n`);
  process.stdout.write(`${output}: ${summary(result, seconds)}\n${next(to, output)}\n`);
}

function next(to: 'etcd-snapshot' | 'embedded', output: string): string {
  if (to === 'embedded') return `start it:  evenkeel etcd --data-dir ${output}`;
  return `for each member:  etcdctl snapshot restore ${output} --name NAME --data-dir DIR --initial-cluster … --initial-advertise-peer-urls …`;
}

function usage(name: string): string {
  return `Move a store between the embedded store and etcd: keys, revisions, versions, history and leases stay
as they are. Users and roles of etcd do not come along. Do not write to the store that is left.

Usage:
  ${name} --from SNAPSHOT|DIR --to etcd-snapshot|embedded --output PATH [flags]

Examples:
  ${name} --from ~/.local/state/evenkeel --to etcd-snapshot --output for-etcd.db
  etcdctl snapshot restore for-etcd.db --data-dir /var/lib/etcd

  etcdctl snapshot save from-etcd.db
  ${name} --from from-etcd.db --to embedded --output /var/lib/store

Flags:
${formatFlags(flags)}
`;
}
