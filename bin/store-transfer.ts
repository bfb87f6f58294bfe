/** What the commands on snapshots share: the place of a store, progress, and how the outcome is told. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type FlagSpec, type ParsedFlags, UsageError } from '#base/flags.ts';
import { humanBytes } from '#cli/human-bytes.ts';
import { progressOn } from '#cli/progress.ts';
import { realClock } from '#os/real-clock.ts';
import type { Pace } from '#store/snapshot/contents.ts';
import type { Restored } from '#store/snapshot/restore.ts';
import type { OpenedSnapshot } from '#store/snapshot/snapshot-file.ts';

export const outputFlag: FlagSpec = {
  name: 'output',
  kind: 'string',
  description: 'text or json',
  default: 'text',
  shorthand: 'o',
};
export const skipHashCheckFlag: FlagSpec = {
  name: 'skip-hash-check',
  kind: 'bool',
  description: 'take a file without a hash, such as a copy of member/snap/db, or with a wrong one',
};
export const bumpFlags: FlagSpec[] = [
  {
    name: 'bump-revision',
    kind: 'int',
    min: 0,
    description: 'go on so many revisions later, so that no client has seen one that is to come',
    default: '0',
  },
  {
    name: 'mark-compacted',
    kind: 'bool',
    description: 'compact all history, so that clients list anew; goes with --bump-revision',
  },
];

/** More revisions than a busy cluster makes in a week, as etcd's own advice has it. */
export const advisedBump = 1_000_000_000;

export function bumpOf(parsed: ParsedFlags): number {
  const by = parsed.int('bump-revision');
  const isMarked = parsed.bool('mark-compacted');
  if (by > 0 && !isMarked)
    throw new UsageError('--bump-revision needs --mark-compacted: clients must not ask for what is skipped');
  if (isMarked && by === 0) throw new UsageError('--mark-compacted needs --bump-revision N');
  return by;
}

export function isJson(parsed: ParsedFlags): boolean {
  const output = parsed.string('output');
  if (output !== 'text' && output !== 'json') throw new UsageError(`--output takes text or json, not ${output}`);
  return output === 'json';
}

export function onlyArgument(parsed: ParsedFlags, what: string): string {
  const [argument, ...others] = parsed.positional;
  if (!argument) throw new UsageError(`give ${what}; see --help`);
  if (others.length > 0) throw new UsageError(`unexpected argument "${others[0]}": see --help`);
  return argument;
}

/** Runs `work` with a line that shows how far it is; also how long it took, in seconds. */
export async function withProgress<T>(
  what: string,
  signal: AbortSignal,
  work: (pace: Pace) => Promise<T>,
): Promise<{ result: T; seconds: number }> {
  const begun = realClock.monotonic();
  const progress = progressOn(process.stderr, what, realClock, signal);
  try {
    const result = await work(progress.pace);
    return { result, seconds: Math.round(realClock.monotonic() - begun) / 1000 };
  } finally {
    progress.end();
  }
}

export function warn(name: string, text: string): void {
  process.stderr.write(`${name}: warning: ${text}\n`);
}

/** Users guard nothing in a store that knows none. */
export function warnOfUsers(name: string, source: OpenedSnapshot): void {
  if (!('hasUsers' in source) || !source.hasUsers) return;
  warn(name, 'users and roles are not taken along: let only holders of client certificates reach the new store');
}

/** What etcd acknowledges is in its log first; a clean stop brings all of it into the database. */
export function warnOfTheLog(name: string, path: string): void {
  if (!existsSync(join(path, 'member', 'snap', 'db'))) return;
  warn(name, 'if that member was killed, its newest writes are only in its log: start it and stop it in order first');
}

export function warnOfThePast(name: string, revision: number): void {
  warn(
    name,
    `whoever saw this store after revision ${revision} may take new changes for those it knows: restart every API server and controller, or use --bump-revision ${advisedBump} --mark-compacted`,
  );
}

export function summary({ revision, compactRevision, rows, bytes, leases }: Restored, seconds: number): string {
  const some = compactRevision === 0 ? 'nothing compacted' : `compacted up to ${compactRevision}`;
  const history = compactRevision === revision ? 'all history compacted' : some;
  return `revision ${revision} (${history}), ${rows} entries, ${humanBytes(bytes)}, ${leases} leases, in ${seconds.toFixed(1)} s`;
}

/** A positive 63-bit number. */
export const randomId = (): bigint => randomBytes(8).readBigUInt64BE() >> 1n || 1n;
