/**
 * The store of a control plane: our own, one process, or Debian's etcd, a process for each member. Chosen once: a
 * cluster of etcd keeps its members' addresses in its data, so these never change in a data directory.
 */
import { OperatorError } from '#base/errors.ts';

export type StoreSpec = EmbeddedStoreSpec | EtcdStoreSpec;
export type StoreKind = StoreSpec['kind'];

export interface EmbeddedStoreSpec {
  kind: 'embedded';
  members: [StoreMember];
}

export interface EtcdStoreSpec {
  kind: 'etcd';
  members: StoreMember[];
  heartbeatIntervalMs: number;
  electionTimeoutMs: number;
  /** It had a quorum once. From then on a member without data has lost it, and must not begin anew. */
  isBootstrapped: boolean;
}

export interface StoreMember {
  /** Of the process too, its log, and its directory. */
  name: string;
  address: string;
  clientPort: number;
  /** Of etcd alone. */
  peerPort?: number;
}

/** Undefined: as it was kept, else the default. */
export interface StoreWanted {
  kind: StoreKind | undefined;
  members: number | undefined;
  heartbeatIntervalMs: number | undefined;
  electionTimeoutMs: number | undefined;
}

/** For machines whose disks are shared with everything else: etcd's own defaults are 100 and 1000. */
export const storeDefaults = {
  kind: 'embedded',
  members: 3,
  heartbeatIntervalMs: 500,
  electionTimeoutMs: 2500,
} as const satisfies { [K in keyof StoreWanted]: StoreWanted[K] };

/** etcd refuses more. */
const electionTimeoutMaxMs = 50_000;
/** etcd refuses less: a follower must be able to miss some heartbeats. */
const heartbeatsPerElectionMin = 5;

export const clientUrl = (member: StoreMember) => `https://${member.address}:${member.clientPort}`;
export const peerUrl = (member: StoreMember) => `https://${member.address}:${member.peerPort}`;

export const majorityOf = (members: number) => Math.floor(members / 2) + 1;

/** A store without its members' addresses. */
export type StorePlan = { kind: 'embedded' } | (Omit<EtcdStoreSpec, 'members'> & { memberCount: number });

/** What is wanted, checked against what is there. */
export function planStore(wanted: StoreWanted, kept: StoreSpec | undefined): StorePlan {
  const kind = wanted.kind ?? kept?.kind ?? storeDefaults.kind;
  if (kept && kind !== kept.kind) {
    throw new OperatorError(
      `the data is in ${titleOf(kept.kind)} and is not moved by itself: leave out --store ${kind}, or choose another --data-dir (to take the data there: evenkeel store --help)`,
    );
  }
  if (kind === 'embedded') {
    const flag = etcdsOwn(wanted);
    if (flag) throw new OperatorError(`${flag} is for --store etcd: leave it out, the embedded store has one member`);
    return { kind };
  }
  const before = kept as EtcdStoreSpec | undefined;
  const memberCount = wanted.members ?? before?.members.length ?? storeDefaults.members;
  if (before && memberCount !== before.members.length) {
    throw new OperatorError(
      `the etcd cluster here has ${before.members.length} members, not ${memberCount}: leave out --etcd-members, or choose another --data-dir`,
    );
  }
  const heartbeatIntervalMs =
    wanted.heartbeatIntervalMs ?? before?.heartbeatIntervalMs ?? storeDefaults.heartbeatIntervalMs;
  const electionTimeoutMs = wanted.electionTimeoutMs ?? before?.electionTimeoutMs ?? storeDefaults.electionTimeoutMs;
  checkTimes(heartbeatIntervalMs, electionTimeoutMs);
  const isBootstrapped = before?.isBootstrapped ?? false;
  return { kind, memberCount, heartbeatIntervalMs, electionTimeoutMs, isBootstrapped };
}

export function storeOf(plan: StorePlan, members: StoreMember[]): StoreSpec {
  if (plan.kind === 'embedded') return { kind: plan.kind, members: [members[0]!] };
  const { memberCount: _, ...etcd } = plan;
  return { ...etcd, members };
}

/** Why not so many; undefined: it is a good number. */
export function faultOfMemberCount(count: number): string | undefined {
  if ([1, 3, 5].includes(count)) return undefined;
  if (count % 2 !== 0 || count < 1) return `give 1, 3 or 5, not ${count}`;
  const [majority, fewer] = [majorityOf(count), count - 1];
  return (
    `a majority of ${count} is ${majority}, so ${count} members survive ${lossesOf(count)}, no more than ${fewer} would, ` +
    `and one more can fail: give ${count > 5 ? '1, 3 or 5' : `${fewer} or ${count + 1}`}`
  );
}

function lossesOf(members: number): string {
  const losses = members - majorityOf(members);
  return losses === 0 ? 'the loss of none' : `the loss of ${losses}`;
}

function checkTimes(heartbeatIntervalMs: number, electionTimeoutMs: number): void {
  const least = heartbeatIntervalMs * heartbeatsPerElectionMin;
  if (electionTimeoutMs < least) {
    throw new OperatorError(
      `--election-timeout ${electionTimeoutMs} is less than ${heartbeatsPerElectionMin} times --heartbeat-interval ${heartbeatIntervalMs}, so that a few late heartbeats would cost an election: give ${least} or more`,
    );
  }
  if (electionTimeoutMs > electionTimeoutMaxMs) {
    throw new OperatorError(
      `--election-timeout ${electionTimeoutMs} is more than etcd's ${electionTimeoutMaxMs}: give less`,
    );
  }
}

function etcdsOwn(wanted: StoreWanted): string | undefined {
  if (wanted.members !== undefined) return '--etcd-members';
  if (wanted.heartbeatIntervalMs !== undefined) return '--heartbeat-interval';
  return wanted.electionTimeoutMs === undefined ? undefined : '--election-timeout';
}

const titleOf = (kind: StoreKind) => (kind === 'etcd' ? 'an etcd cluster' : 'the embedded store');
