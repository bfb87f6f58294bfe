/** `evenkeel store snapshot restore`: a snapshot, of ours or of etcd, becomes the data of an embedded store. */
import { resolve } from 'node:path';
import { type FlagSpec, formatFlags, parseFlags, UsageError } from '#base/flags.ts';
import { storeLocation } from '#controlplane/store-location.ts';
import { restoreToDirectory } from '#store/snapshot/restore.ts';
import { openSnapshot } from '#store/snapshot/snapshot-file.ts';
import { placeForStore } from './store-place.ts';
import {
  advisedBump,
  bumpFlags,
  bumpOf,
  isJson,
  onlyArgument,
  outputFlag,
  randomId,
  skipHashCheckFlag,
  summary,
  warnOfThePast,
  warnOfUsers,
  withProgress,
} from './store-transfer.ts';

export const about = 'make the data of an embedded store from a snapshot';

export const flags: readonly FlagSpec[] = [
  {
    name: 'data-dir',
    kind: 'string',
    description: 'a new or empty directory; or that of a control plane that is stopped, whose etcd/ is moved away',
  },
  ...bumpFlags,
  skipHashCheckFlag,
  outputFlag,
];

export async function run(argv: string[], name: string, signal: AbortSignal): Promise<void> {
  const parsed = parseFlags(flags, argv);
  if (parsed.help) return void process.stdout.write(usage(name));
  const file = onlyArgument(parsed, 'the FILE to restore');
  const given = parsed.string('data-dir');
  if (given === '') throw new UsageError('give --data-dir, where the data is to be');
  const [bumpRevision, asJson] = [bumpOf(parsed), isJson(parsed)];
  const directory = placeForStore(given);
  const { result, seconds } = await withProgress('restored', signal, async (pace) => {
    const contents = await openSnapshot(file, { skipHashCheck: parsed.bool('skip-hash-check'), pace });
    try {
      warnOfUsers(name, contents);
      return await restoreToDirectory(contents, directory, { bumpRevision, randomId, pace });
    } finally {
      contents.close();
    }
  });
  if (bumpRevision === 0) warnOfThePast(name, result.revision);
  if (asJson) return void process.stdout.write(`${JSON.stringify({ directory, ...result, seconds }, null, 2)}\n`);
  const start = storeLocation(resolve(given)) ? 'up' : 'etcd';
  process.stdout.write(`restored ${directory}: ${summary(result, seconds)}
start it:  evenkeel ${start} --data-dir ${given}
`);
}

function usage(name: string): string {
  return `Make the data of an embedded store from a snapshot, saved by evenkeel or by etcdctl. The new
store has the same keys, revisions, history and leases, and is a cluster of its own.

Clients may know later revisions than the snapshot has. With --bump-revision and --mark-compacted
the store goes on beyond all of them, and every client is told to list anew: ${advisedBump} is
enough for about any cluster.

Usage:
  ${name} FILE --data-dir DIR [flags]

Examples:
  ${name} monday.db --data-dir /var/lib/store \\
    --bump-revision ${advisedBump} --mark-compacted
  evenkeel down && mv ~/.local/state/evenkeel/etcd /tmp/etcd.old &&
    ${name} monday.db --data-dir ~/.local/state/evenkeel \\
      --bump-revision ${advisedBump} --mark-compacted && evenkeel up

Flags:
${formatFlags(flags)}
`;
}
